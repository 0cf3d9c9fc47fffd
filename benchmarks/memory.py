"""
Memory while one page of a gigabyte streams through the rewriter.

``python -m benchmarks.memory 1000`` streams 1000 MB in a separate process and prints the figures as JSON;
:func:`measure` starts that process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from benchmarks.ours import new_rewriter
from benchmarks.ours import policy
from benchmarks.pages import endless_page
from consent_mw import catalogue
from consent_mw.html.match import Matcher

#: The goal, in megabytes.
GOAL = 8.0
CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Memory:
    """Sizes in megabytes: input and output, the peak during streaming, and its growth over the size before."""

    page: float
    written: float
    peak: float
    growth: float
    seconds: float
    held: int


def _status(name: str) -> float:
    """Return a size of this process from the kernel, in megabytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the kernel tells no {name}")


def _forget_peak() -> None:
    """Reset the peak: that of start-up could hide that of streaming."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def stream(megabytes: int) -> Memory:
    """Stream a page of ``megabytes`` through a rewriter in this process."""
    rewriter = new_rewriter(policy(Matcher(catalogue.load().values())))
    chunks = endless_page(megabytes * 1_000_000, CHUNK)
    first = next(chunks)
    _forget_peak()
    before = _status("VmRSS")
    read = written = held = 0
    begin = perf_counter()
    chunk: bytes | None = first
    while chunk is not None:
        read += len(chunk)
        out = rewriter.feed(chunk)
        written += len(out)
        held += out.count(b"data-cmw-held=")
        chunk = next(chunks, None)
    written += len(rewriter.finish())
    seconds = perf_counter() - begin
    peak = _status("VmHWM")
    return Memory(read / 1e6, written / 1e6, peak, peak - before, seconds, held)


def measure(megabytes: int) -> Memory:
    """Stream a page of ``megabytes`` in a new process, so that the peak belongs to the streaming."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", str(megabytes)],
        cwd=Path(__file__).resolve().parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Memory(**json.loads(done.stdout))


if __name__ == "__main__":
    print(json.dumps(asdict(stream(int(sys.argv[1])))))
