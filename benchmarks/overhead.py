"""
Two servers side by side, the same site bare and wrapped, under gunicorn on loopback.

Requests alternate between them, so that a slow moment affects both. The time is what a client waits, including the
connection. The processor time is that of the workers, as counted by the kernel.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Overhead:
    """Times for one kind of page and one kind of visitor, in milliseconds per request; (bare, wrapped)."""

    page: str
    visitor: str
    size: tuple[int, int]
    wait: tuple[float, float]
    processor: tuple[float, float]


class Server:
    """
    A gunicorn on its own loopback port, with one worker unless the options specify more.

    Args:
        app: The application, in gunicorn's syntax.
        folder: The folder for its log and its records.
        worker: The class of gunicorn's worker.
        options: Further options of gunicorn.
    """

    def __init__(self, app: str, folder: Path, worker: str = "sync", options: Sequence[str] = ()) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self.log = (folder / f"{self.port}.log").open("wb")
        environment = {
            **os.environ,
            "CONSENT_KEYS": secrets.token_urlsafe(32),
            "BENCH_RECORDS": f"sqlite:///{folder / str(self.port)}.db",
        }
        command = [sys.executable, "-m", "gunicorn", "--workers=1", "--no-control-socket"]
        command += [f"--bind=fd://{listener.fileno()}", f"--worker-class={worker}", *options, app]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            pass_fds=[listener.fileno()],
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        listener.close()

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: str | None = None,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send one request over a separate connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Host": f"localhost:{self.port}", **headers})
            response = connection.getresponse()
            return response, response.read()

    def get(self, path: str, cookie: str) -> tuple[float, bytes]:
        """Return how long a page took, in milliseconds, and the page with the notice, as a browser asks for it."""
        headers = {"Accept": "text/html", **({"Cookie": cookie} if cookie else {})}
        begin = time.perf_counter()
        response, body = self.request("GET", path, headers)
        taken = (time.perf_counter() - begin) * 1000
        assert response.status == 200, f"{path}: {response.status} {body[:500]!r}"
        return taken, body

    def first_byte(self, path: str) -> tuple[float, float]:
        """Return the milliseconds until the first byte of the body, and until the last."""
        begin = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Host": f"localhost:{self.port}"})
            response = connection.getresponse()
            assert response.read(1), f"{path}: {response.status} without a body"
            first = time.perf_counter()
            response.read()
        return (first - begin) * 1000, (time.perf_counter() - begin) * 1000

    def processor(self) -> float:
        """Return the processor time of the workers so far, in milliseconds."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        used = 0
        for child in children:
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12])
        return used * 1000 / _TICK

    def stop(self) -> None:
        """Stop the server and its workers."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


@contextlib.contextmanager
def servers(
    apps: tuple[str, str], worker: str = "sync", options: Sequence[str] = ()
) -> Iterator[tuple[Server, Server]]:
    """Run the bare and the wrapped site."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        pair = []
        for app in apps:
            pair.append(server := Server(app, Path(folder), worker, options))
            stack.callback(server.stop)
        yield pair[0], pair[1]


def choose(server: Server, action: str) -> str:
    """Make a choice like a browser, and return the cookie that stores it."""
    origin = f"http://localhost:{server.port}"
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    response, body = server.request("POST", "/_cmw/choice", headers, urlencode({"action": action, "back": "/text"}))
    cookies = [value.partition(";")[0] for value in response.headers.get_all("Set-Cookie", [])]
    chosen = [cookie for cookie in cookies if cookie.startswith(("cmw=", "__Host-cmw="))]
    assert chosen, f"{action}: {response.status} without a cookie: {body[:500]!r}"
    return chosen[0]


def compare(pair: tuple[Server, Server], path: str, visitor: str, cookie: str, requests: int) -> Overhead:
    """Time ``requests`` requests to each of two servers, alternating between them."""
    sizes = [len(server.get(path, cookie)[1]) for server in pair]
    before = [server.processor() for server in pair]
    waits: tuple[list[float], list[float]] = ([], [])
    for _ in range(requests):
        for server, taken in zip(pair, waits, strict=True):
            taken.append(server.get(path, cookie)[0])
    used = [(server.processor() - start) / requests for server, start in zip(pair, before, strict=True)]
    return Overhead(path, visitor, (sizes[0], sizes[1]), (median(waits[0]), median(waits[1])), (used[0], used[1]))


HEAD = ("page", "visitor", "bytes", "wait, ms: bare / wrapped", "ratio", "processor, ms: bare / wrapped", "ratio")


def rows(found: list[Overhead]) -> list[tuple[str, ...]]:
    """Return the rows of the table, with the columns of :data:`HEAD`."""
    return [
        (
            one.page,
            one.visitor,
            f"{one.size[0]} / {one.size[1]}",
            f"{one.wait[0]:.2f} / {one.wait[1]:.2f}",
            f"{one.wait[1] / one.wait[0]:.2f}",
            f"{one.processor[0]:.2f} / {one.processor[1]:.2f}",
            f"{one.processor[1] / max(one.processor[0], 0.01):.2f}",
        )
        for one in found
    ]
