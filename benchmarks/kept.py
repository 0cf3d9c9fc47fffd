"""
What a site keeps of its requests per second inside the middleware, measured at its workers.

The same site runs twice under gunicorn with two workers, bare and wrapped. Load goes to one and then to the other,
round by round, so that a slow moment meets both; a round's ratio is made of its own two halves, and the median of the
rounds counts. The load comes from wrk, or where that is not installed from a few threads here, which share the
machine with the workers and so flatter the ratio. Beside it stands the processor time that the workers themselves used
for a request, by the kernel's count: that ratio is the steadier one, and the one that :func:`quick` compares.
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
#: gunicorn's worker for each kind of server.
KINDS = {"wsgi": "sync", "asgi": "asgi"}
PATHS = ("/text", "/template", "/json", "/static-file", "/stream")
VISITORS = ("undecided", "refused", "accepted")
_ACTIONS = {"refused": "reject-all", "accepted": "accept-all"}
#: Connections that are open at once: two for each worker.
_CONNECTIONS = 2 * WORKERS
#: Kept requests per second that are wanted, for every visitor.
GOALS = {
    "/json": 0.98,
    "/static-file": 0.98,
    "/template": 0.95 if scan.Scanner else 0.85,
    "/text": 0.75 if scan.Scanner else 0.45,
}
#: What the last stored run kept, by row.
STORED = Path(__file__).parent / "kept.json"
#: A row that keeps less than this part of what it kept fails the quick run.
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
#: How often rows that look worse are measured again before they count.
_MORE_TRIES = 2


@dataclass(frozen=True, slots=True)
class Kept:
    """One row: requests per second and milliseconds of processor for a request, of each round; (bare, wrapped)."""

    row: Row
    rates: tuple[tuple[float, float], ...]
    processor: tuple[tuple[float, float], ...]

    @property
    def requests(self) -> float:
        """The part of the requests per second that is kept."""
        return median(wrapped / bare for bare, wrapped in self.rates)

    @property
    def work(self) -> float:
        """The part of the worker's time that is still the site's own."""
        return median(bare / wrapped for bare, wrapped in self.processor if wrapped)


def generator() -> str:
    """Say what makes the load."""
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
    """Show every worker what the pages hold, so that visitors are asked about all of it."""
    for _ in range(2):
        for path in ("/text", "/template", "/stream"):
            for _ in range(10 * WORKERS):
                server.get(path, "")
        time.sleep(2.5)  # workers tell each other about once a second


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
    """Load a server, and return how many requests it answered in how many seconds."""
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
    """Send requests over connections of their own, since sync workers keep none."""
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
    """Return the lines of the table, as in :data:`HEAD`."""
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
    """Say for each kind of answer whether enough is kept, by its worst row."""
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
    """Return a line for each row that keeps too little of what it kept, or that is not stored."""
    lines = [f"{row}: nothing is stored to compare with; run with --store" for row in found.keys() - stored.keys()]
    for row in sorted(found.keys() & stored.keys()):
        if found[row] < stored[row] * LEAST:
            lines.append(f"{row}: the site's own part is {found[row] * 100:.0f} %, and was {stored[row] * 100:.0f} %")
    return lines


def _name(row: Row) -> str:
    return " ".join(row)


def _quick_work(rows_: Sequence[Row], progress: Callable[[str], None]) -> dict[str, float]:
    """Measure some rows, print them, and return the site's own part of each by its name."""
    measured = measure(rows_, _QUICK_ROUNDS, _QUICK_SECONDS, progress)
    for one, line in zip(measured, rows(measured), strict=True):
        print(f"{_name(one.row):32} keeps {line[4]:>5} of requests a second; site's own part {line[6]:>5}", flush=True)
    return {_name(one.row): round(one.work, 3) for one in measured}


def quick(progress: Callable[[str], None], *, store: bool = False) -> int:
    """
    Compare some rows with the stored ratios, print them, and return the exit status: 1 where one got 15 % worse.

    Ratios and not times are compared, so that they are the same on any machine.

    Args:
        store: Make what is measured the stored ratios instead.
    """
    found = _quick_work(QUICK, progress)
    if store:
        STORED.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        return 0
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    # A machine that does other work for a moment makes a row look worse, never three times in a row.
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
