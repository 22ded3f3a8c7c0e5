"""A stand-in for a language model's server, on loopback: it speaks OpenAI's chat completions and Anthropic's messages.

It is no model. `good` reports sentences that it finds in the request; `obedient` does whatever the request's text orders
in the words of `ORDER`; every other mode misbehaves in its own way. It says in each answer that it is a stand-in.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

#: How a hostile paper gives orders that the obedient one carries out: `do: «what»`.
ORDER = re.compile(r"(say|claim|quote|page|keyword|answer exactly|words|leak|marks|field): «(.*?)»", re.DOTALL)
_MARK = re.compile(r"<(paper-[0-9a-f]{16})>\n(.*)\n</\1>", re.DOTALL)
_PAGE = re.compile(r"\[p\. (\d+)\]")
#: Hung connections end at the latest after these seconds.
_HANG = 30.0

MODES = (
    "good", "obedient", "wrong", "bad json", "no schema", "text only", "429", "429 later", "500", "503", "hang", "huge",
    "truncated", "refusal", "no usage", "not json", "reset", "quota", "too long", "no findings", "fenced", "wants completion",
    "filtered", "no room",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `path` is where it came, `at` its monotonic time."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float

    @property
    def system(self) -> str:
        if "system" in self.body:
            return str(self.body["system"])
        return str(self.body["messages"][0]["content"])

    @property
    def user(self) -> str:
        return next(str(turn["content"]) for turn in self.body["messages"] if turn["role"] == "user")

    @property
    def form(self) -> str:
        if "output_config" in self.body:
            return "json_schema"
        return str(self.body.get("response_format", {}).get("type", "text"))


@dataclass
class ModelServer:
    """`modes` are those of the next requests in their order; the last one stays. `tokens` are what each answer says to have
    used, in and out; `answered` is called after an answer was sent, with what was asked. `key` is the one that it wants.
    `models` are those of its list, with their owners; None where it has no list. `aliases` are further names, not listed.
    """

    modes: list[str] = field(default_factory=lambda: ["good"])
    tokens: tuple[int, int] = (10_000, 1_000)
    answered: Callable[[Asked], None] | None = None
    asked: list[Asked] = field(default_factory=list)
    key: str | None = None
    models: dict[str, str] | None = field(default_factory=lambda: {"stand-in": "the tests"})
    aliases: tuple[str, ...] = ()
    #: answers sent with 200, which a provider would bill
    billed: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = threading.Event()
        owner = self

        class Handler(_Handler):
            stand_in = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def calls(self) -> list[Asked]:
        """What a model was asked to write; to be looked at is not in it."""
        return [one for one in self.asked if one.body]

    @property
    def url(self) -> str:
        """For OPENAI_BASE_URL."""
        return f"{self.root}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, asked: Asked) -> str:
        with self._lock:
            self.asked.append(asked)
            return self.modes.pop(0) if len(self.modes) > 1 else self.modes[0]

    def bill(self) -> None:
        with self._lock:
            self.billed += 1

    def hang(self) -> None:
        self._closed.wait(_HANG)


def paper_in(user: str) -> str:
    """What stands between the marks."""
    found = _MARK.search(user)
    return found[2] if found else user


def sentences_in(paper: str) -> list[tuple[str, int]]:
    """The lines of a packed paper that are sentences, with their pages."""
    page, found = 1, []
    for line in paper.splitlines():
        if mark := _PAGE.fullmatch(line):
            page = int(mark[1])
        elif line.startswith("- ") and (quoted := re.search(r'Quote: "(.*)" \[p\. (\d+)\]$', line)):
            found.append((quoted[1], int(quoted[2])))
        elif not line.startswith(("#", "Title:")) and len(line) > 40:
            found.append((line, page))
    return found


def good_answer(user: str) -> dict[str, Any]:
    """Sentences of the paper as the summary, and some of them as findings."""
    lines = sentences_in(paper_in(user))
    first = lines[:5]
    return {
        "summary": [line for line, _ in first],
        "findings": [{"claim": line, "quote": line, "page": page} for line, page in (lines[-3:] or first)],
        "keywords": [word for line, _ in first for word in re.findall(r"[a-z]{8,}", line)][:6],
    }


def wrong_answer(user: str) -> dict[str, Any]:
    """Every finding false, each in a way of its own."""
    line, page = max(sentences_in(paper_in(user)), key=lambda one: len(one[0]))
    other = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), line)
    return {
        "summary": ["The paper proves that the moon is made of cheese.", "It was tested on 512 moons."],
        "findings": [
            {"claim": "The moon is made of cheese.", "quote": "We find that the moon is made of cheese.", "page": page},
            {"claim": other if other != line else f"{line} by 77 %", "quote": line, "page": page},
            {"claim": "Accuracy rises by 4711 points.", "quote": line, "page": page},
            {"claim": "Moons were tasted by astronauts.", "quote": line, "page": page},
            {"claim": "Nothing was found.", "quote": "the", "page": page},
            {"claim": "An empty quote.", "quote": "", "page": page},
            {"claim": "No quote."},
            "not even a finding",
        ],
        "keywords": ["moon", "cheese"],
    }


def obedient_answer(asked: Asked) -> str:
    """A good answer, with everything that the paper orders."""
    answer = good_answer(asked.user)
    orders = ORDER.findall(paper_in(asked.user))
    said: dict[str, str] = {}
    for what, payload in orders:
        said[what] = payload
        if what == "answer exactly":
            return str(payload)
        if what == "say":
            answer["summary"].append(payload)
        elif what == "keyword":
            answer["keywords"].insert(0, payload)
        elif what == "words":
            answer["summary"].append("word " * int(payload))
        elif what == "leak":
            # All of the prompt is too long to be an answer; a part of it is not.
            told = asked.system if payload == "everything" else asked.system[int(payload) :][:150]
            answer["summary"].append(told)
            answer["findings"].insert(0, {"claim": told[:100], "quote": answer["findings"][0]["quote"], "page": 1})
            answer["keywords"].insert(0, told[:50])
        elif what == "marks":
            found = _MARK.search(asked.user)
            answer["summary"].append(f"The mark is {found[1] if found else ''}.")
        elif what == "field":
            name, _, value = payload.partition("=")
            answer[name] = value
    if "claim" in said:
        finding = {"claim": said["claim"], "quote": said.get("quote", said["claim"]), "page": int(said.get("page", 1))}
        answer["findings"].insert(0, finding)
    return json.dumps(answer)


class _Handler(BaseHTTPRequestHandler):
    stand_in: ModelServer
    server_version = "refnet-stand-in-model"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, {}, time.monotonic())
        mode = self.stand_in.take(asked)
        models = self.stand_in.models
        if mode == "hang":
            self.stand_in.hang()
            self.close_connection = True
        elif self._refused(mode, asked):
            pass
        elif mode == "not json":
            self._send(200, "<html>Welcome to this hotel's network</html>")
        elif models is not None and self.path.endswith("/models"):
            self._send(200, {"object": "list", "data": [{"id": name, "owned_by": by} for name, by in models.items()]})
        elif (name := unquote(self.path.rpartition("/")[2])) in (*(models or ()), *self.stand_in.aliases):
            self._send(200, {"id": name, "object": "model"})
        else:
            self._send(404, {"error": {"message": "not found"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.path, headers, body, time.monotonic())
        mode = self.stand_in.take(asked)
        if mode == "hang":
            self.stand_in.hang()
            self.close_connection = True
        elif mode == "reset":
            self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 500\r\n\r\n{")
        elif not self._refused(mode, asked):
            self._answer(mode, asked)
        if self.stand_in.answered is not None:
            self.stand_in.answered(asked)

    def _refused(self, mode: str, asked: Asked) -> bool:
        """Whether the request is refused with a status."""
        key = asked.headers.get("authorization", "") + asked.headers.get("x-api-key", "")
        if self.stand_in.key is not None and self.stand_in.key not in key:
            self._send(401, {"error": {"message": f"Incorrect API key provided: {key}"}})
        elif mode.isdigit():
            self._send(int(mode), {"error": {"message": f"as you ask for, {key}", "type": "stand_in"}})
        elif mode == "403 scope":
            self._send(403, {"error": {"message": "This key lacks scopes: api.model.read."}})
        elif mode == "429 later":
            self._send(429, {"error": {"message": "slower"}}, {"Retry-After": "3"})
        elif mode == "quota":
            self._send(429, {"error": {"message": "no money", "code": "insufficient_quota"}})
        elif mode == "too long":
            self._send(400, {"error": {"message": "This model's maximum context length is 9 tokens."}})
        elif (mode == "no schema" and asked.form == "json_schema") or (mode == "text only" and asked.form != "text"):
            self._send(400, {"error": {"message": f"response_format {asked.form} is not supported"}})
        elif mode == "wants completion" and "max_tokens" in asked.body:
            message = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            self._send(400, {"error": {"message": message}})
        elif mode == "redirect":
            self._send(307, {}, {"Location": f"{self.stand_in.root}/elsewhere"})
        else:
            return False
        return True

    def _answer(self, mode: str, asked: Asked) -> None:
        text, reason = self._text(mode, asked)
        counted = None if mode == "no usage" else self.stand_in.tokens
        if mode == "not json":
            self._send(200, "<html>Welcome to this hotel's network</html>")
            return
        self.stand_in.bill()
        if asked.path.endswith("/chat/completions"):
            self._send(200, _completion(text, reason, counted))
        else:
            self._send(200, _message(text, reason, counted))

    def _text(self, mode: str, asked: Asked) -> tuple[str, str]:
        """What is written, and why it ends there."""
        if mode == "obedient":
            return obedient_answer(asked), "stop"
        if mode == "wrong":
            return json.dumps(wrong_answer(asked.user)), "stop"
        if mode == "wrong once":
            answer = wrong_answer(asked.user)
            return json.dumps(answer | {"findings": answer["findings"][:1]}), "stop"
        if mode == "bad json":
            return 'Here is your summary: {"summary": ["A sentence.", ', "stop"
        if mode == "huge":
            return "x" * 5_000_000, "stop"
        if mode == "truncated":
            return json.dumps(good_answer(asked.user))[:200], "length"
        if mode == "refusal":
            return "I cannot help with that.", "refusal"
        answer = good_answer(asked.user)
        # Whole, and yet not to be taken for one: the reason tells.
        if mode == "filtered":
            return json.dumps(answer), "content_filter"
        if mode == "no room":
            return json.dumps(answer), "model_context_window_exceeded"
        if mode == "no findings":
            answer["findings"] = []
        text = json.dumps(answer)
        return (f"Sure!\n```json\n{text}\n```\nAnything else?" if mode == "fenced" else text), "stop"

    def _send(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # the client has heard enough


def _completion(text: str, reason: str, counted: tuple[int, int] | None) -> dict[str, Any]:
    refused = reason == "refusal"
    message = {"role": "assistant", "content": None if refused else text, "refusal": text if refused else None}
    choice = {"index": 0, "message": message, "finish_reason": "stop" if refused else reason}
    usage = None if counted is None else {"prompt_tokens": counted[0], "completion_tokens": counted[1]}
    return {"object": "chat.completion", "model": "stand-in", "choices": [choice], "usage": usage}


def _message(text: str, reason: str, counted: tuple[int, int] | None) -> dict[str, Any]:
    ended = {"stop": "end_turn", "length": "max_tokens"}.get(reason, reason)
    usage = None if counted is None else {"input_tokens": counted[0], "output_tokens": counted[1]}
    content = [{"type": "text", "text": text}]
    return {
        "type": "message",
        "role": "assistant",
        "model": "stand-in",
        "content": content,
        "stop_reason": ended,
        "usage": usage,
    }
