"""
The cost of starting a worker of a wrapped site: time until it is ready, time of its first page, and private memory.

Each figure comes from separate processes, bare and wrapped in turns: the processor time of the process, and its private
memory after some pages, according to the kernel. Pages that were only read from a file, as from the mapped catalogue,
do not count: all workers share them, and here they are private only because there is one process. The site is that of
:mod:`benchmarks.app`, in Flask.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

#: Goals: milliseconds more than the bare site, multiple of the tenth page's time, megabytes, milliseconds to import.
START_GOAL, FIRST_GOAL, MEMORY_GOAL, IMPORT_GOAL = 150.0, 2.0, 8.0, 40.0
_PROCESSES = 5
_PAGES = 10


@dataclass(frozen=True, slots=True)
class Start:
    """
    One process: milliseconds until ready and for its first and its tenth page, and private megabytes.

    The tenth page stands for the sixth to the tenth, of which it is the median.
    """

    ready: float
    first: float
    tenth: float
    memory: float


def _private() -> float:
    """Return the memory that this process has written and shares with no other one, in megabytes."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:")) / 1024


def _get(application: Any) -> float:
    """Request the template page as a server does, and return the processor time in milliseconds."""
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/template",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT": "text/html",
        "HTTP_SEC_FETCH_DEST": "document",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    begun = time.process_time()
    body = application(environ, lambda status, headers, error=None: None)
    assert b"".join(body)
    if hasattr(body, "close"):
        body.close()
    return (time.process_time() - begun) * 1000


def _run(wrapped: bool) -> Start:
    """Measure this process."""
    from benchmarks import app

    application = app.make("wsgi", wrapped)
    ready = time.process_time() * 1000
    times = [_get(application) for _ in range(_PAGES)]
    # A run of the garbage collector may fall on any single page.
    return Start(ready, times[0], median(times[-5:]), _private())


def _import() -> float:
    """Return the processor time of an import in milliseconds, without Python's own start."""
    used = []
    for code in ("pass", "from consent_mw import ConsentMiddleware"):
        command = [sys.executable, "-c", f"{code}; import time; print(time.process_time())"]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        said = [
            subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
            for _ in range(_PROCESSES + 1)
        ]
        used.append(median(map(float, said[1:])))
    return (used[1] - used[0]) * 1000


def measure() -> tuple[Start, Start, float]:
    """Return the medians of bare and wrapped processes, and the milliseconds to import."""
    found: dict[bool, list[Start]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "CONSENT_KEYS": secrets.token_urlsafe(32)}
        # Let Python store bytecode: an installation compiles modules once, not in each process.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["BENCH_RECORDS"] = f"sqlite:///{folder}/bench.db"
        # The first pair of processes fills the caches of the installation.
        for _ in range(_PROCESSES + 1):
            for wrapped in found:
                command = [sys.executable, "-m", "benchmarks.starting", str(int(wrapped))]
                said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=120)
                found[wrapped].append(Start(*json.loads(said.stdout)))
    bare, wrapped_ = (_median(found[wrapped][1:]) for wrapped in (False, True))
    return bare, wrapped_, _import()


def _median(starts: Sequence[Start]) -> Start:
    return Start(
        median(one.ready for one in starts),
        median(one.first for one in starts),
        median(one.tenth for one in starts),
        median(one.memory for one in starts),
    )


HEAD = ("site", "ready, ms", "first page, ms", "tenth page, ms", "private memory, MB")


def rows(bare: Start, wrapped: Start) -> list[tuple[str, ...]]:
    """Return the rows of the table, with the columns of :data:`HEAD`."""
    return [
        (name, f"{one.ready:.0f}", f"{one.first:.1f}", f"{one.tenth:.1f}", f"{one.memory:.1f}")
        for name, one in (("bare", bare), ("wrapped", wrapped))
    ]


def goals(bare: Start, wrapped: Start, imported: float) -> list[str]:
    """Return a line for each goal."""
    told = (
        ("start beyond the bare site's", wrapped.ready - bare.ready, START_GOAL, "ms of processor"),
        ("first page, times the tenth", wrapped.first / wrapped.tenth, FIRST_GOAL, ""),
        ("private memory beyond the bare site's", wrapped.memory - bare.memory, MEMORY_GOAL, "MB"),
        ("import without a site", imported, IMPORT_GOAL, "ms of processor"),
    )
    return [
        f"{what}: {value:.1f} {unit}".rstrip()
        + f" (goal: at most {goal:.0f}, {'reached' if value <= goal else 'NOT reached'})"
        for what, value, goal, unit in told
    ]


if __name__ == "__main__":
    start = _run(sys.argv[1] == "1")
    print(json.dumps([start.ready, start.first, start.tenth, start.memory]))
