"""A RabbitMQ that the tests start themselves, from the machine's program."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers import STARTS, free_port, listens, ticks

_STARTING = 120.0  # seconds
_STOPPING = 60.0  # seconds
_CALLING = 60.0  # seconds
# One scheduler of each kind, which does not spin for work: a small server, and others need the processors too.
_SMALL = "+S 1:1 +SDcpu 1:1 +SDio 1 +A 1 +sbwt none +sbwtdcpu none +sbwtdio none"


def rabbitmq_program() -> Path | None:
    """The server's script: Debian's own one, which any user may run, else PATH's; None too where Erlang lacks."""
    if not all(shutil.which(name) for name in ("erl", "epmd", "erl_call")):
        return None
    # What Debian puts on PATH is a wrapper that insists on root and then becomes the user rabbitmq.
    debian = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if debian.exists():
        return debian
    on_path = shutil.which("rabbitmq-server")
    return None if on_path is None else Path(on_path)


class RabbitServer:
    """A node with one name, one folder and one set of ports for its whole life, over as many starts as wanted."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.port = free_port()
        self._nodes = free_port()  # where other nodes, and what calls this one, reach it
        self._names = free_port()  # of epmd, which tells them so
        self.node = f"refnet_test_{secrets.token_hex(6)}@localhost"
        self._environment = self._written()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The default virtual host, as its only user, with all rights."""
        return self.url_of("/")

    def url_of(self, vhost: str) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost}"

    @property
    def ports(self) -> tuple[int, int, int]:
        """All that is listened on: for AMQP, for other nodes, and epmd's."""
        return self.port, self._nodes, self._names

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it and wait until it takes connections: some seconds. Raises RuntimeError with the server's log."""
        assert self._process is None, "it runs already"
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self.program],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self._environment,
                start_new_session=True,  # so that all of it can be killed, and Ctrl-C is for pytest
            )
        for _ in ticks(_STARTING):
            if self._answers():
                return
            if self._process.poll() is not None:
                break
        self.kill()
        told = (self.folder / "log").read_text(errors="replace")
        raise RuntimeError(f"rabbitmq-server does not answer on port {self.port}:\n{told}")

    def stop(self) -> None:
        """Ask it to end, as an administrator does. What is durable stays. Nothing if it is down."""
        if self._process is None:
            return
        try:
            self._process.terminate()
            self._process.wait(_STOPPING)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL. Nothing if it is down."""
        if self._process is None:
            return
        if self._process.poll() is None:
            # Not reaped yet, so the number is still its own. Erlang's small helpers end with their standard input.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def call(self, erlang: str) -> str:
        """Have the node evaluate an expression, and give what it answered; in milliseconds, where rabbitmqctl takes
        a second. Raises RuntimeError unless the answer is `ok`, or a term that begins with it.
        """
        asked = subprocess.run(
            ["erl_call", "-sname", self.node, "-e"],
            input=f"{erlang}.\n",
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self._environment,
            timeout=_CALLING,
            check=False,
        )
        answer = asked.stdout.strip()
        if not answer.startswith(("{ok, ok", "{ok, {ok")):
            raise RuntimeError(f"{erlang}: {answer}{asked.stderr}")
        return answer

    @contextmanager
    def looked_up(self) -> Iterator[None]:
        """With an epmd of our own; a node that finds none starts one and leaves it behind. Raises RuntimeError."""
        with (self.folder / "epmd.log").open("wb") as log:
            names = subprocess.Popen(
                ["epmd", "-port", str(self._names), "-address", "127.0.0.1"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self._environment,
                start_new_session=True,
            )
        try:
            ready = any(names.poll() is not None or listens(self._names) for _ in ticks(_STARTING))
            if not ready or names.poll() is not None:
                raise RuntimeError(f"epmd does not answer on port {self._names}")
            yield
        finally:
            names.kill()
            names.wait()

    def _answers(self) -> bool:
        from kombu import Connection

        connection = Connection(self.url, connect_timeout=5)
        try:
            told = connection.transport.establish_connection()
        except OSError:
            return False
        try:
            # Whoever else took the port might answer too.
            return bool(told.server_properties["cluster_name"].startswith(self.node.partition("@")[0]))
        finally:
            told.close()

    def _written(self) -> dict[str, str]:
        """Our own file for each one that it would read below /etc; the environment that names them."""
        cookie = self.folder / ".erlang.cookie"
        cookie.touch(mode=0o600)
        cookie.write_text(secrets.token_hex(16))
        # With the default of 50 MB, a nearly full disk would make publishers wait without a word.
        (self.folder / "rabbitmq.conf").write_text("disk_free_limit.absolute = 1MB\n")
        (self.folder / "advanced.config").write_text("[].\n")
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq-env.conf").touch()
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names),
            "ERL_FLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(self.folder / "none"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_DIST_PORT": str(self._nodes),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _SMALL,
            "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the server, rather than wait for it
        }


@contextmanager
def running_rabbitmq(program: Path | None = None) -> Iterator[RabbitServer]:
    """A RabbitMQ of our own on free loopback ports, its files in a new temporary folder. Gone, both, at the end.

    Without `program` the one found is used. Raises RuntimeError with the server's log.
    """
    program = program or rabbitmq_program()
    assert program is not None, "no rabbitmq-server: ask rabbitmq_program() first"
    for attempt in range(1, STARTS + 1):
        with tempfile.TemporaryDirectory(prefix="refnet-rabbitmq-", ignore_cleanup_errors=True) as name:
            server = RabbitServer(program, Path(name))
            with ExitStack() as stack:
                try:
                    stack.enter_context(server.looked_up())
                    stack.callback(server.kill)
                    server.start()
                except RuntimeError:
                    if attempt == STARTS:
                        raise
                    continue
                yield server
                return


@contextmanager
def fresh_vhost(server: RabbitServer) -> Iterator[str]:
    """A new, empty virtual host; yields its URL. Gone at the end, with its queues and whoever is still connected."""
    name = f"test_{secrets.token_hex(6)}"
    host, everything, by = f'<<"{name}">>', '<<".*">>, <<".*">>, <<".*">>', '<<"refnet">>'
    server.call(f"rabbit_vhost:add({host}, {by})")
    try:
        server.call(f'rabbit_auth_backend_internal:set_permissions(<<"guest">>, {host}, {everything}, {by})')
        yield server.url_of(name)
    finally:
        server.call(f"rabbit_vhost:delete({host}, {by})")
