"""
How much of its throughput a site keeps inside the middleware, measured at its workers.

The same site runs twice under gunicorn with two workers, bare and wrapped. Load alternates between them, round by
round, so that a slow moment affects both. Each round has its own ratio, and the result is the median of the rounds. The
load comes from wrk, or if that is not installed from threads in this process, which compete with the workers for the
processor, so that the ratio looks better. The second ratio is that of the workers' own processor time per request, as
counted by the kernel. It varies less, and is the one that :func:`quick` compares.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import overhead
from benchmarks.overhead import Server
from consent_mw.html import scan

WORKERS = 2
#: gunicorn's worker for each kind of server interface.
KINDS = {"wsgi": "sync", "asgi": "asgi"}
PATHS = ("/text", "/template", "/json", "/static-file", "/stream")
VISITORS = ("undecided", "refused", "accepted")
_ACTIONS = {"refused": "reject-all", "accepted": "accept-all"}
#: The number of concurrent connections: two for each worker.
_CONNECTIONS = 2 * WORKERS
#: Goals for the kept share of the requests per second, for every visitor.
GOALS = {
    "/json": 0.98,
    "/static-file": 0.98,
    "/template": 0.95 if scan.Scanner else 0.85,
    "/text": 0.75 if scan.Scanner else 0.45,
}
#: The ratios of the last stored run, by row.
STORED = Path(__file__).parent / "kept.json"
#: The quick run fails if a row is below this share of its stored ratio.
LEAST = 0.85

#: Kind of server, path and visitor.
Row = tuple[str, str, str]
ALL: tuple[Row, ...] = tuple((kind, path, visitor) for kind in KINDS for path in PATHS for visitor in VISITORS)
QUICK: tuple[Row, ...] = (
    *(("wsgi", path, "undecided") for path in PATHS),
    ("wsgi", "/text", "refused"),
    ("wsgi", "/text", "accepted"),
    ("asgi", "/text", "undecided"),
    ("asgi", "/json", "undecided"),
)
_QUICK_ROUNDS = 5
_QUICK_SECONDS = 1.0
#: How many times a row that looks worse is measured again.
_MORE_TRIES = 2


@dataclass(frozen=True, slots=True)
class Kept:
    """One row: requests per second, and processor time per request in milliseconds, by round; (bare, wrapped)."""

    row: Row
    rates: tuple[tuple[float, float], ...]
    processor: tuple[tuple[float, float], ...]

    @property
    def requests(self) -> float:
        """The kept share of the requests per second."""
        return median(wrapped / bare for bare, wrapped in self.rates)

    @property
    def work(self) -> float:
        """The share of the workers' time that is spent in the site itself."""
        return median(bare / wrapped for bare, wrapped in self.processor if wrapped)


def generator() -> str:
    """Return a description of the load generator."""
    return f"load from {'wrk' if shutil.which('wrk') else 'Python'} over {_CONNECTIONS} connections"


def measure(rows: Sequence[Row], rounds: int, seconds: float, progress: Callable[[str], None]) -> list[Kept]:
    """Measure the rows, kind by kind."""
    found: list[Kept] = []
    for kind, worker in KINDS.items():
        wanted = [row for row in rows if row[0] == kind]
        if not wanted:
            continue
        progress(f"kept, {kind}, {len(wanted)} rows")
        apps = (f"benchmarks.app:make('{kind}', False)", f"benchmarks.app:make('{kind}', True)")
        with overhead.servers(apps, worker, [f"--workers={WORKERS}"]) as pair:
            _teach(pair[1])
            cookies = {"undecided": ""}
            cookies |= {visitor: overhead.choose(pair[1], action) for visitor, action in _ACTIONS.items()}
            found += [_measure(row, pair, cookies[row[2]], (rounds, seconds)) for row in wanted]
    return found


def _teach(server: Server) -> None:
    """Let every worker see the services in the pages, so that visitors are asked about all of them."""
    for _ in range(2):
        for path in ("/text", "/template", "/stream"):
            for _ in range(10 * WORKERS):
                server.get(path, "")
        time.sleep(2.5)  # workers share what they have learned about once a second


def _measure(row: Row, pair: tuple[Server, Server], cookie: str, how: tuple[int, float]) -> Kept:
    rounds, seconds = how
    _, path, visitor = row
    for server in pair:
        _load(server, path, cookie, min(seconds, 0.5))
    if path in ("/text", "/template", "/stream"):
        held = [server.get(path, cookie)[1].count(b"data-cmw-held=") for server in pair]
        assert (held[0], bool(held[1])) == (0, visitor != "accepted"), f"{row}: {held} held elements"
    rates: list[tuple[float, float]] = []
    used: list[tuple[float, float]] = []
    for turn in range(rounds):
        halves = {}
        for index in (0, 1) if turn % 2 else (1, 0):
            server = pair[index]
            before = server.processor()
            count, taken = _load(server, path, cookie, seconds)
            halves[index] = (count / taken, (server.processor() - before) / max(count, 1))
        rates.append((halves[0][0], halves[1][0]))
        used.append((halves[0][1], halves[1][1]))
    return Kept(row, tuple(rates), tuple(used))


def _load(server: Server, path: str, cookie: str, seconds: float) -> tuple[int, float]:
    """Load a server; return the number of answered requests and the seconds that they took."""
    headers = {"Accept": "text/html", "Accept-Encoding": "gzip, deflate, br", "Accept-Language": "en"}
    headers |= {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    headers |= {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
    headers |= {"Cookie": cookie} if cookie else {}
    if shutil.which("wrk") and seconds >= 1:
        return _load_by_wrk(f"http://localhost:{server.port}{path}", headers, seconds)
    return _load_from_here(server.port, path, headers, seconds)


def _load_by_wrk(url: str, headers: dict[str, str], seconds: float) -> tuple[int, float]:
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{round(seconds)}s", *given, url]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
    count = re.search(r"(\d+) requests in ([0-9.]+)(ms|s|m)", said)
    assert count and "Non-2xx" not in said, said
    unit = {"ms": 0.001, "s": 1.0, "m": 60.0}[count[3]]
    return int(count[1]), float(count[2]) * unit


def _load_from_here(port: int, path: str, headers: dict[str, str], seconds: float) -> tuple[int, float]:
    """Send requests over separate connections, since sync workers do not keep connections open."""
    lines = [f"GET {path} HTTP/1.1", f"Host: localhost:{port}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
    counts = [0] * _CONNECTIONS
    begun = time.perf_counter()

    def ask(number: int) -> None:
        while time.perf_counter() - begun < seconds:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                connection.sendall(request)
                start = connection.recv(262_144)
                assert b" 200 " in start[:20], start[:500]
                while connection.recv(262_144):
                    pass
            counts[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts), time.perf_counter() - begun


HEAD = (
    "answer",
    "server",
    "visitor",
    "requests a second: bare / wrapped",
    "kept",
    "processor, ms a request: bare / wrapped",
    "site's own part",
)


def rows(found: Sequence[Kept]) -> list[tuple[str, ...]]:
    """Return the rows of the table, with the columns of :data:`HEAD`."""
    return [
        (
            one.row[1],
            one.row[0],
            one.row[2],
            " / ".join(f"{median(pair[index] for pair in one.rates):.0f}" for index in (0, 1)),
            f"{one.requests * 100:.0f} %",
            " / ".join(f"{median(pair[index] for pair in one.processor):.2f}" for index in (0, 1)),
            f"{one.work * 100:.0f} %",
        )
        for one in found
    ]


def goals(found: Sequence[Kept]) -> list[str]:
    """Return for each path whether the goal is reached in its worst row."""
    lines = []
    for path, goal in GOALS.items():
        worst = min((one for one in found if one.row[1] == path), key=lambda one: one.requests, default=None)
        if worst is not None:
            verdict = "reached" if worst.requests >= goal else "NOT reached"
            kind, _, visitor = worst.row
            lines.append(
                f"{path} keeps at least {worst.requests * 100:.0f} % of its requests per second ({kind}, {visitor}; "
                f"goal: {goal * 100:.0f} %, {verdict})"
            )
    return lines


def worse(found: dict[str, float], stored: dict[str, float]) -> list[str]:
    """Return a message for each row whose ratio fell too far, or that is not stored."""
    lines = [f"{row}: nothing is stored to compare with; run with --store" for row in found.keys() - stored.keys()]
    for row in sorted(found.keys() & stored.keys()):
        if found[row] < stored[row] * LEAST:
            lines.append(f"{row}: the site's own part is {found[row] * 100:.0f} %, and was {stored[row] * 100:.0f} %")
    return lines


def _name(row: Row) -> str:
    return " ".join(row)


def _quick_work(rows_: Sequence[Row], progress: Callable[[str], None]) -> dict[str, float]:
    """Measure some rows, print them, and return the site's own share of the time by row name."""
    measured = measure(rows_, _QUICK_ROUNDS, _QUICK_SECONDS, progress)
    for one, line in zip(measured, rows(measured), strict=True):
        print(f"{_name(one.row):32} keeps {line[4]:>5} of requests a second; site's own part {line[6]:>5}", flush=True)
    return {_name(one.row): round(one.work, 3) for one in measured}


def quick(progress: Callable[[str], None], *, store: bool = False) -> int:
    """
    Compare some rows with the stored ratios, print them, and return the exit status: 1 if one got 15 % worse.

    Ratios are compared rather than times, since they are similar on all machines.

    Args:
        store: Store the measured ratios instead.
    """
    found = _quick_work(QUICK, progress)
    if store:
        STORED.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        return 0
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    # If the machine is briefly busy, a row looks worse, but not three times in a row.
    for _ in range(_MORE_TRIES):
        again = tuple(row for row in QUICK if worse({_name(row): found[_name(row)]}, stored))
        if not again:
            break
        progress(f"{len(again)} rows look worse and are measured again")
        found |= {name: max(work, found[name]) for name, work in _quick_work(again, progress).items()}
    lines = worse(found, stored)
    for text in lines:
        print(text)
    return 1 if lines else 0
