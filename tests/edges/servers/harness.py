"""Real servers on private loopback ports, and a client that sees every byte they send."""

from __future__ import annotations

import contextlib
import http.client
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.edges.contract import Answer
from tests.edges.contract import answer
from tests.edges.servers.sites import PAGE_FILE
from tests.edges.servers.sites import PICTURE

ROOT = Path(__file__).resolve().parent.parent.parent.parent
KEY = "k" * 40
#: Timeout in seconds for each step; long, since the machine may be busy.
PATIENT = 60.0
APACHE = Path("/usr/sbin/apache2")
MODULES = Path("/usr/lib/apache2/modules")
WSGI = "tests.edges.servers.serve_wsgi"
ASGI = "tests.edges.servers.serve_asgi"
TRIO = "tests.edges.servers.serve_trio"
#: The user for Apache if the tests run as root, as which mod_wsgi refuses to run.
UNPRIVILEGED = "nobody"


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A server program.

    Args:
        command: Makes the command from the port and the server's folder.
        interface: "wsgi" or "asgi".
        file: How the trial application can send a file: "wrapper", "pathsend" or "read".
        missing: Returns why the program cannot run here, or an empty string.
        unprivileged: Whether its processes run as a user other than root.
        end: The signal for a graceful shutdown.
    """

    command: Callable[[int, Path], list[str]]
    interface: str
    file: str
    missing: Callable[[], str] = lambda: ""
    unprivileged: bool = False
    end: signal.Signals = signal.SIGTERM


def _python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def _gunicorn(worker: str, app: str, *options: str) -> Callable[[int, Path], list[str]]:
    def command(port: int, folder: Path) -> list[str]:
        given = ["--workers=1", "--no-control-socket", f"--worker-tmp-dir={folder}", f"--bind=127.0.0.1:{port}"]
        return _python("gunicorn", *given, f"--worker-class={worker}", *options, f"{app}:application")

    return command


def _uwsgi(port: int, folder: Path) -> list[str]:
    # Without --enable-threads no threads of the application run, including the one that writes counts.
    options = ["--master", "--die-on-term", "--need-app", "--enable-threads", "--threads=4", "--processes=1"]
    program = str(Path(sysconfig.get_path("scripts")) / "uwsgi")
    home = ["--home", sys.prefix, "--pythonpath", str(ROOT)]
    return [program, f"--http-socket=127.0.0.1:{port}", *options, *home, "--module", f"{WSGI}:application"]


def _no_uwsgi() -> str:
    return "" if (Path(sysconfig.get_path("scripts")) / "uwsgi").exists() else "pyuwsgi is absent"


def _apache(port: int, folder: Path) -> list[str]:
    modules = [
        f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in ("mpm_event", "authz_core", "env", "wsgi")
    ]
    path = f"{ROOT}:{sysconfig.get_path('purelib')}"
    namespace = _namespace()
    user = [f"User {UNPRIVILEGED}", "Group nogroup"] if os.geteuid() == 0 and not namespace else []
    lines = [
        f'ServerRoot "{folder}"',
        f'DefaultRuntimeDir "{folder}"',
        f'PidFile "{folder}/apache.pid"',
        f"Listen 127.0.0.1:{port}",
        *modules,
        *user,
        "ServerName localhost",
        'ErrorLog "/dev/stderr"',
        f'WSGISocketPrefix "{folder}/wsgi"',
        "WSGIRestrictEmbedded On",
        f'WSGIDaemonProcess site processes=1 threads=4 home="{folder}" python-path="{path}"',
        f'WSGIScriptAlias / "{ROOT}/tests/edges/servers/serve_wsgi.py" '
        "process-group=site application-group=%{GLOBAL}",
        f'<Directory "{ROOT}/tests/edges/servers">',
        "Require all granted",
        "</Directory>",
    ]
    (folder / "apache.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [*namespace, str(APACHE), "-f", str(folder / "apache.conf"), "-DFOREGROUND"]


def _namespace() -> list[str]:
    """
    Return a command prefix that hides from a program that it runs as root, if the kernel allows that.

    Such a program can still read root's files, such as a checkout in a private folder.
    """
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(UNPRIVILEGED)
    prefix = ["unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}"]
    try:
        done = subprocess.run([*prefix, "true"], capture_output=True, timeout=PATIENT)
    except OSError:
        return []
    return prefix if done.returncode == 0 else []


def _no_apache() -> str:
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not APACHE.exists():
        return "Apache is absent"
    if not (MODULES / f"mod_wsgi.so-{ours}").exists():
        return f"Apache's mod_wsgi for Python {ours} is absent"
    return ""


KINDS: Mapping[str, Kind] = {
    "gunicorn-sync": Kind(_gunicorn("sync", WSGI), "wsgi", "wrapper"),
    "gunicorn-gthread": Kind(_gunicorn("gthread", WSGI, "--threads=4"), "wsgi", "wrapper"),
    "gunicorn-asgi": Kind(_gunicorn("asgi", ASGI), "asgi", "read"),
    "gunicorn-uvicorn": Kind(_gunicorn("uvicorn.workers.UvicornWorker", ASGI), "asgi", "read"),
    "uvicorn": Kind(
        lambda port, folder: _python("uvicorn", f"--port={port}", "--no-access-log", f"{ASGI}:application"),
        "asgi",
        "read",
    ),
    "hypercorn": Kind(
        lambda port, folder: _python("hypercorn", f"--bind=127.0.0.1:{port}", f"{ASGI}:application"),
        "asgi",
        "read",
    ),
    "granian-wsgi": Kind(
        lambda port, folder: _python("granian", "--interface=wsgi", f"--port={port}", f"{WSGI}:application"),
        "wsgi",
        "read",
    ),
    "granian-asgi": Kind(
        lambda port, folder: _python("granian", "--interface=asgi", f"--port={port}", f"{ASGI}:application"),
        "asgi",
        "pathsend",
    ),
    "waitress": Kind(
        lambda port, folder: _python("waitress", f"--listen=127.0.0.1:{port}", f"{WSGI}:application"),
        "wsgi",
        "wrapper",
        # On SIGTERM it exits without running Python's exit handlers.
        end=signal.SIGINT,
    ),
    "uwsgi": Kind(_uwsgi, "wsgi", "wrapper", _no_uwsgi),
    "mod_wsgi": Kind(_apache, "wsgi", "wrapper", _no_apache, unprivileged=True),
}

#: Servers with separate tests.
ALONE: Mapping[str, Kind] = {
    "hypercorn-trio": Kind(
        lambda port, folder: _python(
            "hypercorn", "--worker-class=trio", f"--bind=127.0.0.1:{port}", f"{TRIO}:application"
        ),
        "asgi",
        "read",
    ),
}


class Server:
    """
    A running server with its own folder.

    Args:
        name: One of :data:`KINDS` or :data:`ALONE`.
        lifespan: The host of the site that gets the lifespan events of an ASGI server.
    """

    def __init__(self, name: str, lifespan: str = "framework.localhost") -> None:
        self.kind = {**KINDS, **ALONE}[name]
        if reason := self.kind.missing():
            pytest.skip(reason)
        # Not pytest's folder: the user of Apache's processes has no access to it.
        self.folder = Path(tempfile.mkdtemp(prefix="cmw-server-"))
        (self.folder / "picture.png").write_bytes(PICTURE)
        (self.folder / "page.html").write_bytes(PAGE_FILE)
        (self.folder / "shop").mkdir()
        if self.kind.unprivileged and os.geteuid() == 0 and not _namespace():
            user = pwd.getpwnam(UNPRIVILEGED)
            for path in (self.folder, self.folder / "shop"):
                os.chown(path, user.pw_uid, user.pw_gid)
        self.port = _free_port()
        self.log = self.folder / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.kind.command(self.port, self.folder),
                cwd=ROOT,
                env={
                    **os.environ,
                    "CONSENT_KEYS": KEY,
                    "SITES_FOLDER": str(self.folder),
                    "SITES_LIFESPAN": lifespan,
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait()

    # -- start and stop

    def _wait(self) -> None:
        until = time.monotonic() + PATIENT
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask("/state", host="bare.localhost").status == 200:
                    return
            time.sleep(0.05)
        told = self.said()
        self.close()
        raise AssertionError(f"the server did not come up:\n{told}")

    def said(self) -> str:
        """Return the server's log."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def terminate(self) -> int:
        """Shut the server down gracefully, and return its exit status once all its processes are gone."""
        self.process.send_signal(self.kind.end)
        status = self.process.wait(PATIENT)
        until = time.monotonic() + PATIENT
        while self.alive() and time.monotonic() < until:
            time.sleep(0.02)
        return status

    def alive(self) -> bool:
        """Return whether a process of this server is still running."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def close(self) -> None:
        """Kill the server if necessary, and remove its folder."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENT)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENT)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- requests

    def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        host: str = "localhost",
    ) -> Answer:
        """Return the whole response to one request, over a new connection."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENT)) as connection:
            connection.request(method, path, body or None, {"Host": host, **(headers or {})})
            response = connection.getresponse()
            return answer(response.status, response.getheaders(), response.read())

    def open(self, path: str, method: str = "GET", headers: str = "", host: str = "localhost") -> Connection:
        """Send a request, and return the connection to read from."""
        stream = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENT / 2)
        request = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n"
        stream.sendall(request.encode())
        return Connection(stream)

    def left(self, mark: str, least: int = 1) -> list[str]:
        """Wait until an application has left a message under that mark, and return it."""
        file = self.folder / f"{mark}.left"
        until = time.monotonic() + PATIENT / 2
        while time.monotonic() < until:
            if file.exists() and len(lines := file.read_text(encoding="utf-8").splitlines()) >= least:
                return lines
            time.sleep(0.02)
        return []

    def state(self) -> tuple[int, int]:
        """Return the numbers of threads and open files of the process that serves the pages."""
        threads, files = self.ask("/state", host="bare.localhost").body.split()
        return int(threads), int(files)


class Connection:
    """A connection that returns the data received so far."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self.data = b""

    def until(self, what: bytes) -> bytes:
        """
        Read until ``what`` has arrived, and return everything so far.

        Raises:
            AssertionError: The server ended, or nothing more came in time.
        """
        while what not in self.data:
            try:
                piece = self._stream.recv(65_536)
            except TimeoutError:
                raise AssertionError(f"{what!r} did not come; so far: {self.data[-300:]!r}") from None
            if not piece:
                raise AssertionError(f"the answer ended before {what!r}: {self.data[-300:]!r}")
            self.data += piece
        return self.data

    def rest(self) -> bytes:
        """Read to the end, and return everything."""
        with contextlib.suppress(ConnectionError):
            while piece := self._stream.recv(65_536):
                self.data += piece
        self.close()
        return self.data

    def close(self) -> None:
        """Disconnect, like a visitor who closes the page."""
        self._stream.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextlib.contextmanager
def serving(name: str, lifespan: str = "framework.localhost") -> Iterator[Server]:
    """Run a server, and shut it down."""
    server = Server(name, lifespan)
    try:
        yield server
    finally:
        server.close()
