"""
A soak test with mixed traffic, which looks for leaks: ``python -m benchmarks.soak --minutes 30``.

gunicorn and Uvicorn each serve one wrapped site. Visitors view pages, choose, withdraw, erase, send invalid requests,
read long streams and disconnect half-way. The application fails before and after its first byte. Memory, open files and
threads of the server processes are sampled during the run, and measured before and after it without load. The run fails
if they have grown, or if a response was wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import random
import secrets
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from statistics import median

from benchmarks import report

ROOT = Path(__file__).resolve().parent.parent

#: The command for each server; the port is appended.
SERVERS = {
    "gunicorn": [
        "gunicorn",
        "--workers=2",
        "--worker-class=gthread",
        "--threads=4",
        "--no-control-socket",
        "--log-level=critical",
        "benchmarks.soak_app:wsgi()",
        "--bind=127.0.0.1:",
    ],
    "uvicorn": [
        "uvicorn",
        "--factory",
        "--log-level=critical",
        "--no-access-log",
        "benchmarks.soak_app:asgi",
        "--port=",
    ],
}
#: Megabytes by which the memory of all serving processes together may grow from the quiet before the run to the quiet
#: after it. Allocators and bounded caches vary within that.
ALLOWED = 12.0
#: Megabytes per hour by which memory may rise in the second half, if the run is long enough to tell.
RISE = 12.0
_LONG_ENOUGH = 10.0
_POOLS = 8
_VISITORS = 3
_SETTLE = 3.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The resources of the serving processes, minutes after the start and after so many requests; memory in MB."""

    minutes: float
    requests: int
    memory: float
    files: int
    threads: int


@dataclass(slots=True)
class Soak:
    """A run: the samples during it, those of the quiet before and after it, and the wrong answers."""

    server: str
    samples: list[Sample] = field(default_factory=list)
    quiet: list[Sample] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)


# -- a server and its resources


class Server:
    """A server on a free loopback port, with its own folder."""

    def __init__(self, name: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        self.log = (folder / "server.log").open("wb")
        environment = {
            **os.environ,
            "CONSENT_KEYS": secrets.token_urlsafe(32),
            "BENCH_RECORDS": f"sqlite:///{folder / 'consent.db'}",
        }
        *options, last = SERVERS[name]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *options, f"{last}{self.port}"],
            cwd=ROOT,
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def wait(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if Visitor(self.port).ask("GET", "/json")[0] == 200:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"the server did not come up: {Path(self.log.name).read_text(errors='replace')[-2000:]}")

    def serving(self) -> list[int]:
        """Return the serving processes: the children, or the process itself if it has none."""
        return _children(self.process.pid) or [self.process.pid]

    def sample(self, minutes: float, requests: int) -> Sample:
        """Return the current resources of the serving processes."""
        memory = files = threads = 0
        for process in self.serving():
            status = dict(
                line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines() if ":" in line
            )
            memory += int(status["VmRSS"].split()[0])
            threads += int(status["Threads"])
            files += len(os.listdir(f"/proc/{process}/fd"))
        return Sample(minutes, requests, memory / 1024, files, threads)

    def stop(self) -> None:
        """Stop the server."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def _children(process: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        found += map(int, task.read_text().split())
    return found


# -- the visitors

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
PAGE = {"Sec-Fetch-Dest": "document", "Accept": "text/html", "Accept-Encoding": "gzip"}


class Visitor:
    """A minimal browser, with its own cookie."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: str = ""
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        """Send a request and read the whole answer."""
        cookie = {"Cookie": f"_ga=1; {self.cookie}"} if self.cookie else {}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, body or None, {"Host": "localhost", **cookie, **(headers or {})})
            response = connection.getresponse()
            return response.status, response.read(), response.headers

    def choose(self, action: str) -> int:
        """Make a choice with the form, and keep its cookie."""
        status, _, headers = self.ask("POST", "/_cmw/choice", FORM, f"action={action}&back=/page")
        for value in headers.get_all("Set-Cookie") or []:
            if value.startswith("cmw="):
                self.cookie = value.partition(";")[0]
        return status

    def leave(self, path: str, after: int) -> None:
        """Send a request, read some bytes of the answer, and reset the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as stream:
            stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Dest: document\r\n\r\n".encode())
            if after:
                stream.recv(after)
            # Closing sends a reset, as after a network failure.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Act = Callable[[Visitor], bool]


def _looks(visitor: Visitor) -> bool:
    return visitor.ask("GET", "/page", PAGE)[0] == 200


def _forges(visitor: Visitor) -> bool:
    visitor.cookie = f"cmw=1.accept~{random.randrange(10**6)}~x.{'A' * 43}"  # noqa: S311 -- nothing to guess
    return visitor.ask("GET", "/page", PAGE)[0] == 200


def _whole_way(visitor: Visitor) -> bool:
    steps = [visitor.choose("accept-all") == 303]
    steps.append(visitor.ask("GET", "/json")[1] == b'{"allowed": true}')
    steps.append(b"data-cmw-held=google-analytics" not in visitor.ask("GET", "/page", {"Accept": "text/html"})[1])
    steps.append(visitor.choose("save&purpose=analytics") == 303)
    steps.append(visitor.choose("withdraw") == 303)
    steps.append(visitor.ask("GET", "/json")[1] == b'{"allowed": false}')
    return all(steps)


def _erases(visitor: Visitor) -> bool:
    visitor.choose("accept-all")
    shown = visitor.ask("GET", "/_cmw/receipt")[0]
    return (shown, visitor.ask("POST", "/_cmw/receipt/erase", FORM, "lang=en")[0]) == (200, 200)


def _reads_long(visitor: Visitor) -> bool:
    status, body, _ = visitor.ask("GET", "/stream", {"Sec-Fetch-Dest": "document"})
    return status == 200 and len(body) > 1_900_000 and body.rstrip().endswith(b"</html>")


def _leaves(visitor: Visitor) -> bool:
    visitor.leave(random.choice(["/stream", "/page", "/events", "/_cmw/"]), random.choice([0, 1, 5000]))  # noqa: S311
    return True


def _fails_before(visitor: Visitor) -> bool:
    return visitor.ask("GET", "/fails-before")[0] == 500


def _fails_after(visitor: Visitor) -> bool:
    with contextlib.suppress(http.client.IncompleteRead, ConnectionError):
        return visitor.ask("GET", "/fails-after", PAGE)[1].endswith(b"</html>") is False
    return True


def _sends_nonsense(visitor: Visitor) -> bool:
    return [
        visitor.ask("POST", "/_cmw/choice", {**FORM, "Sec-Fetch-Site": "cross-site"}, "action=accept-all")[0],
        visitor.ask("POST", "/_cmw/choice", FORM, "action=nonsense")[0],
        visitor.ask("POST", "/_cmw/choice", FORM, "x" * 40_000)[0],
        visitor.ask("GET", "/_cmw/nothing")[0],
    ] == [403, 400, 413, 404]


ACTS: dict[str, tuple[int, Act]] = {
    "looks at a page": (40, _looks),
    "asks for JSON": (20, lambda visitor: visitor.ask("GET", "/json")[0] == 200),
    "asks for the head": (5, lambda visitor: visitor.ask("HEAD", "/page", PAGE)[:2] == (200, b"")),
    "refuses": (8, lambda visitor: visitor.choose("reject-all") == 303 and _looks(visitor)),
    "accepts, changes, withdraws": (5, _whole_way),
    "has the record erased": (3, _erases),
    "opens the preferences": (3, lambda visitor: visitor.ask("GET", "/_cmw/")[0] == 200),
    "has a forged choice": (5, _forges),
    "reads a long stream": (2, _reads_long),
    "hears events": (2, lambda visitor: visitor.ask("GET", "/events")[1].count(b"data: ") == 5),
    "leaves": (6, _leaves),
    "meets an error at once": (3, _fails_before),
    "meets an error midway": (3, _fails_after),
    "sends nonsense": (3, _sends_nonsense),
}


class Crowd:
    """
    Several parallel sequences of visitors.

    Args:
        rate: Visitors per second in total; 0 for as many as possible.
    """

    def __init__(self, port: int, soak: Soak, *, visitors: int, rate: float, seed: int) -> None:
        self._port, self._soak, self._rate = port, soak, rate / visitors
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._come, args=(random.Random(seed + number),), daemon=True)  # noqa: S311
            for number in range(visitors)
        ]

    @contextlib.contextmanager
    def there(self) -> Iterator[None]:
        """Run the visitors during the block, and wait for the last one at its end."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._end.set()
            for thread in self._threads:
                thread.join(120)

    def _come(self, chance: random.Random) -> None:
        names = list(ACTS)
        weights = [ACTS[name][0] for name in names]
        while not self._end.is_set():
            (name,) = chance.choices(names, weights)
            begun = time.monotonic()
            try:
                right = ACTS[name][1](Visitor(self._port))
            except (OSError, http.client.HTTPException) as error:
                right, name = False, f"{name} ({type(error).__name__})"
            with self._lock:
                self._soak.acts[name] += 1
                self._soak.wrong[name] += not right
            if self._rate:
                self._end.wait(max(0.0, chance.expovariate(self._rate) - (time.monotonic() - begun)))


# -- a run


def soak(name: str, minutes: float, rate: float) -> Soak:
    """Run one server under load for that time, after a warm-up."""
    found = Soak(name)
    with tempfile.TemporaryDirectory(prefix="cmw-soak-") as folder:
        server = Server(name, Path(folder))
        try:
            server.wait()
            begun = time.monotonic()

            def sample() -> Sample:
                return server.sample((time.monotonic() - begun) / 60, found.acts.total())

            # First a crowd, so that the server starts all of its threads.
            with Crowd(server.port, found, visitors=12, rate=0, seed=1).there():
                time.sleep(min(20.0, minutes * 6))
            with Crowd(server.port, found, visitors=_VISITORS, rate=rate, seed=100).there():
                time.sleep(minutes * 6)
            time.sleep(_SETTLE)
            found.quiet.append(sample())
            with Crowd(server.port, found, visitors=_VISITORS, rate=rate, seed=200).there():
                pause = max(0.5, minutes * 60 / 100)
                while time.monotonic() - begun < minutes * 60:
                    time.sleep(pause)
                    found.samples.append(sample())
            time.sleep(_SETTLE)
            found.quiet.append(sample())
        finally:
            server.stop()
    return found


def problems(found: Soak) -> list[str]:
    """Return the problems of a run, as sentences."""
    before, after = found.quiet
    told = [f"{count} x an unexpected answer: {name}" for name, count in found.wrong.items() if count]
    if after.memory - before.memory > ALLOWED:
        told.append(f"memory grew by {after.memory - before.memory:.1f} MB")
    if after.minutes >= _LONG_ENOUGH and rise(found.samples) > RISE:
        told.append(f"memory rises by {rise(found.samples):.1f} MB an hour")
    # A short run may end before all threads of the servers' pools, with their connections to the records, exist.
    spare = 0 if after.minutes >= _LONG_ENOUGH else _POOLS
    for what in ("files", "threads"):
        more = getattr(after, what) - getattr(before, what)
        if more > spare:
            told.append(f"{more} {what} were left behind")
    return told


def rise(samples: Sequence[Sample]) -> float:
    """Return the rise of memory in the second half, in megabytes per hour: the median slope between its two halves."""
    half = samples[len(samples) // 2 :]
    middle = len(half) // 2
    slopes = [
        (late.memory - early.memory) / (late.minutes - early.minutes) * 60
        for early in half[:middle]
        for late in half[middle:]
        if late.minutes > early.minutes
    ]
    return median(slopes) if slopes else 0.0


HEAD = ("server", "minute", "visits", "memory, MB", "open files", "threads")


def rows(found: Soak, count: int = 10) -> list[tuple[str, ...]]:
    """Return the rows of the table (:data:`HEAD`): the quiet before, some samples, the quiet after."""
    step = max(1, len(found.samples) // count)
    shown = [found.quiet[0], *found.samples[step - 1 :: step][:count], found.quiet[1]]
    lines: list[tuple[str, ...]] = []
    for place, one in enumerate(shown):
        name = f"{found.server}, {'before' if not place else 'after'}" if place in (0, len(shown) - 1) else found.server
        figures = (f"{one.minutes:.1f}", str(one.requests), f"{one.memory:.1f}", str(one.files), str(one.threads))
        lines.append((name, *figures))
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak, print its tables, and return 1 if there is a problem."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="how long, for each server (default: 30)")
    parser.add_argument("--rate", type=float, default=15.0, help="visitors a second and server (default: 15)")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS), help="which; they run together")
    given = parser.parse_args(arguments)
    results: dict[str, Soak] = {}

    def run(name: str) -> None:
        results[name] = soak(name, given.minutes, given.rate)

    threads = [threading.Thread(target=run, args=(name,)) for name in given.servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [f"{name}: it ended early" for name in given.servers if name not in results]
    lines = [line for name in given.servers if name in results for line in rows(results[name])]
    print(report.table(HEAD, lines))
    for name, found in results.items():
        told += [f"{name}: {problem}" for problem in problems(found)]
        print(f"\n{name}: memory rises by {rise(found.samples):.1f} MB an hour in the second half")
    print(
        "\n".join(["", *told]) if told else "\nNothing grew, nothing was left behind, every answer was as it should be."
    )
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
