"""Properties: ours read alike by every reader, a reader's own kept byte for byte."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain import inert
from refnet.domain.frontmatter import BrokenNote, entry, property_of, split, value_of

TRICKY = [
    "1e3", "0o17", "1E400", "2106.09680", "yes", "null", "~", "2020-01-01", "A: B", "C# notes #1", "- x", "[x]", "{x}", "@x", "*x",
    "&x", "!x", "%x", "`x`", "'x'", '"x"', "x\\y", "😀", "é", "\x85x", "\u2028x", "\ufeffx", "\ufffe", "\U0001f469\u200d\U0001f52c",
    "x: ", "#", "---", "<%x%>", "{{x}}", "tab\tx", "\x7f", "\ud800x", "日本", "a\\", "a\\\\n", "? x", "|", ">", "=", "<<",
]  # fmt: skip


def ours(texts: list[str]) -> str:
    """Properties as refnet writes them."""
    lines = [entry(f"k{at}", inert.value(text)) for at, text in enumerate(texts)]
    return "".join((*lines, entry("all", [inert.value(text) for text in texts]), entry("year", 2017)))


@given(st.lists(st.text(max_size=30) | st.sampled_from(TRICKY), min_size=1, max_size=8))
def test_pyyaml_reads_what_was_meant(texts: list[str]) -> None:
    expected: dict[str, object] = {f"k{at}": inert.value(text) for at, text in enumerate(texts)}
    expected |= {"all": [inert.value(text) for text in texts], "year": 2017}
    assert yaml.safe_load(ours(texts)) == expected
    assert list(yaml.safe_load_all(f"---\n{ours(texts)}")) == [expected]


def test_npms_yaml_reads_the_same(npm_yaml: Path) -> None:
    texts = [*TRICKY, *(chr(code) + "x" for code in (*range(0x20), *range(0x7F, 0xA1), 0xFEFF, 0x10FFFF, 0x2029))]
    documents = [ours([text]) for text in texts]
    node = shutil.which("node") or ""
    told = subprocess.run(
        [node, str(npm_yaml)], input=json.dumps(documents), capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(told.stdout) == [{"value": yaml.safe_load(document)} for document in documents]


@pytest.mark.parametrize("text", ["plain", "A: B", "1e3", "it's", 'say "so"', "\\alpha", "日本 😀"])
def test_what_a_property_says_does_not_depend_on_its_spelling(text: str) -> None:
    spellings = [
        entry("k", text),
        f"k: '{text.replace(chr(39), chr(39) * 2)}'\n",
        f"k: >-\n  {text}\n",
        f"k: |\n  {text}\r\n",
    ]
    assert {value_of(spelling) for spelling in spellings} == {text}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("k: 2017\n", "2017"),
        ("k:\n", ""),
        ("k: null\n", ""),
        ("k: plain text\n  goes on\n", "plain text goes on"),
        ("k:\n  - a\n  - 'b c'\n", ("a", "b c")),
        ("k:\n- a\n-\n", ("a", "")),
        ('k: [a, "b, c"]\n', ("a", "b, c")),
        ("k: []\n", ()),
        ("k: a # mine\n", None),
        ("k:\n  # mine\n  - a\n", None),
        ("k:\n  sub: x\n", None),
        ("k: &anchor x\n", None),
        ("k: {a: b}\n", None),
        ("k: [a, [b]]\n", None),
    ],
)
def test_what_a_property_says(raw: str, says: object) -> None:
    assert value_of(raw) == says


HEADS = [
    "---\na: 1\n---\nbody\n",
    "\ufeff---\r\n# mine\r\n\r\na:\r\n  - x\r\n# between\r\n  - y\r\nb: 'it''s'\r\n\r\n---\r\n\r\nbody",
    "---\n---\n",
    "---\nmine: |\n  text\n\n  more: x\nlist:\n- a\n- b\n---",
    "---\n\"quoted: key\": x\n'other': y\na:b: c\nnested:\n  x:\n    y: z\nurl: https://x.org/y\n---\n",
    "no properties\n---\n",
    "",
]


@pytest.mark.parametrize("text", HEADS)
def test_a_note_taken_apart_and_joined_is_the_same(text: str) -> None:
    head = split(text)
    assert head.opening + "".join(one.raw for one in head.entries) + head.closing + head.body == text


def test_comments_and_empty_lines_are_no_part_of_a_property_that_ended() -> None:
    keys = [(one.key, one.raw) for one in split("---\na: 1\n# mine\n\nb: 2\n---\n").entries]
    assert keys == [("a", "a: 1\n"), (None, "# mine\n"), (None, "\n"), ("b", "b: 2\n")]


@pytest.mark.parametrize(
    "broken",
    [
        "a: [x",
        "a: [x]]",
        "a: {x",
        'a: "x',
        'a: "x" y',
        "a: 'x",
        "a: b: c",
        "a: x:",
        "a: @x",
        "a: `x`",
        "a: %x",
        "a: ]",
        "a: - x",
        "\ta: x",
        "a: 1\na: 2",
        "a: 1\n'a': 2",
        "just text",
        "  a: 1",
        "- a",
        '{"a": 1}',
        "? a",
    ],
)
def test_broken_properties_are_told_from_sound_ones(broken: str) -> None:
    with pytest.raises(BrokenNote):
        split(f"---\n{broken}\n---\nbody\n")


def test_properties_that_never_end_are_broken() -> None:
    with pytest.raises(BrokenNote, match="never end"):
        split("---\na: 1\n\nbody\n")


@given(st.text(alphabet="ab:-#'\"[]{}|>,\\ \n\t", max_size=40))
def test_what_pyyaml_refuses_or_reads_is_never_lost(text: str) -> None:
    whole = f"---\n{text}\n---\nbody\n"
    try:
        head = split(whole)
    except BrokenNote:
        return
    assert head.opening + "".join(one.raw for one in head.entries) + head.closing + head.body == whole
    if head.body != "body\n":
        return  # a fence inside the text
    for one in head.entries:
        says = value_of(one.raw) if one.key is not None else None
        if isinstance(says, str) and says and "\\" not in one.raw:
            try:
                read = yaml.load(one.raw, Loader=yaml.BaseLoader)  # noqa: S506
            except yaml.YAMLError:
                continue
            assert str(next(iter(read.values()))).split() == says.split()


def test_one_property_can_be_asked_for() -> None:
    note = "---\npaper_id: 'abc'\nauthors:\n  - x\n---\n"
    assert property_of(note, "paper_id") == "abc"
    assert property_of(note, "authors") is None
    assert property_of(note, "year") is None
    assert property_of("text", "year") is None


@pytest.mark.parametrize("piece", ["a: ", " ", "'", '"', "[", "- ", "a:\n", "#", ":", "\\"])
def test_the_time_grows_no_faster_than_the_text(piece: str) -> None:
    text = f"---\nk: {piece * (100_000 // len(piece))}\n{piece * (100_000 // len(piece))}\n---\n"
    begun = time.process_time()
    try:
        for one in split(text).entries:
            value_of(one.raw)
    except BrokenNote:
        pass
    assert time.process_time() - begun < 2.0
