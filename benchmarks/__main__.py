"""Run the benchmarks and print the results: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import caching
from benchmarks import counters
from benchmarks import edge_apps
from benchmarks import edges
from benchmarks import in_process
from benchmarks import instructions
from benchmarks import kept
from benchmarks import ledger
from benchmarks import memory
from benchmarks import report
from benchmarks import scaling
from benchmarks import speed
from benchmarks import starting
from benchmarks import stats
from benchmarks import visitor
from benchmarks import weight
from benchmarks.pages import made_pages
from benchmarks.pages import read_pages


def progress(text: str) -> None:
    """Print what is being measured."""
    print(f"... {text}", file=sys.stderr, flush=True)


def measure_speed(folders: list[Path], rounds: int) -> str:
    """Measure the engines and return their table, with the goals below it."""
    made = [speed.measure(page_set, rounds, progress) for page_set in made_pages()]
    given = [speed.measure(read_pages(folder), rounds, progress) for folder in folders]
    lines = [line for results in [*made, *given] for line in speed.rows(results)]
    goals = "\n".join(f"- {line}" for line in speed.goals([*made, *given]))
    return f"### Speed\n\n{report.table(speed.HEAD, lines)}\n\n{goals}\n"


def measure_memory(megabytes: int) -> str:
    """Measure the memory for one long page and return the result as text."""
    progress(f"memory, {megabytes} MB")
    found = memory.measure(megabytes)
    verdict = "reached" if found.growth < memory.GOAL else "NOT reached"
    return (
        "### Memory\n\n"
        f"One page of {found.page:.0f} MB in chunks of {memory.CHUNK // 1024} KiB, {found.held} elements held, "
        f"{found.written:.0f} MB written in {found.seconds:.0f} s: the process peaked at {found.peak:.1f} MB, "
        f"{found.growth:.1f} MB more than before the first byte "
        f"(goal: under {memory.GOAL:.0f} MB, {verdict}).\n"
    )


def measure_scaling() -> str:
    """Measure pages and catalogues of several sizes, and return the tables with the goals below them."""
    sizes, services = scaling.by_size(progress), scaling.by_services(progress)
    goals = "\n".join(f"- {line}" for line in scaling.goals(sizes, services))
    return (
        "### Length of the page, and size of the catalogue\n\n"
        "The rewriter alone. What a page costs whatever its length counts most in the shortest.\n\n"
        f"{report.table(scaling.SIZE_HEAD, scaling.size_rows(sizes))}\n\n"
        f"A page of {scaling.PAGE // 1000} KB.\n\n"
        f"{report.table(scaling.SERVICE_HEAD, scaling.service_rows(services))}\n\n{goals}\n"
    )


def measure_in_process(rounds: int) -> str:
    """Measure one page view without a server, and return the table with the goals below it."""
    progress("a page in process")
    found = in_process.measure(rounds)
    goals = "\n".join(f"- {line}" for line in in_process.goals(found))
    return (
        "### One page of 50 KB in process\n\n"
        f"The whole of the WSGI middleware, medians of {rounds} pages.\n\n"
        f"{report.table(in_process.HEAD, in_process.rows(found))}\n\n{goals}\n"
    )


def measure_instructions() -> str:
    """Count the instructions of the scanner in C and return the table."""
    progress("instructions of the scanner in C")
    title = "### Instructions of the scanner in C\n\n"
    if lacking := instructions.missing():
        return f"{title}Not counted: {lacking}.\n"
    table = report.table(instructions.HEAD, instructions.rows(instructions.measure()))
    return f"{title}For a byte of a page, by callgrind.\n\n{table}\n"


def measure_starting() -> str:
    """Measure the start of a worker, and return the table with the goals below it."""
    progress("start of a worker")
    bare, wrapped, imported = starting.measure()
    goals = "\n".join(f"- {line}" for line in starting.goals(bare, wrapped, imported))
    return (
        "### Start of a worker\n\n"
        "A Flask site in a process of its own; processor time, medians of five.\n\n"
        f"{report.table(starting.HEAD, starting.rows(bare, wrapped))}\n\n{goals}\n"
    )


def measure_kept(rounds: int, seconds: float) -> str:
    """Measure how much of its throughput a wrapped site keeps, and return the table with the goals below it."""
    found = kept.measure(kept.ALL, rounds, seconds, progress)
    goals = "\n".join(f"- {line}" for line in kept.goals(found))
    return (
        "### Requests that a site keeps\n\n"
        f"gunicorn, {kept.WORKERS} workers, sync or asgi; {kept.generator()}; medians of {rounds} rounds of "
        f"{seconds:.1f} s for each row and server, in turn.\n\n"
        f"{report.table(kept.HEAD, kept.rows(found))}\n\n{goals}\n"
    )


def measure_edges(requests: int) -> str:
    """Measure every edge and return the tables."""
    progress(f"edges, {requests} requests for each row and server")
    found = edges.measure(requests)
    return (
        "### Overhead on each edge\n\n"
        f"gunicorn, one worker each, sync or asgi; a visitor who has not chosen; {requests} requests for each row and "
        "server, in turn; medians. The bare sites answer with ready bytes: a real one takes its own time above that."
        f"\n\n{report.table(edges.HEAD, edges.rows(found))}\n\n"
        f"A page whose application waits {edge_apps.PAUSE * 1000:.0f} ms between its two pieces: when its first and "
        f"its last byte come.\n\n{report.table(edges.FIRST_HEAD, edges.first_rows(found))}\n\n- {edges.goal(found)}\n"
    )


def measure_caching(requests: int) -> str:
    """Measure caches in front of the site and return their table."""
    return caching.text(requests, progress)


def measure_counters(rounds: int) -> str:
    """Measure the cost of counting per page view and return its table, with the goal below it."""
    progress(f"counters, {rounds} rounds")
    found = counters.measure(rounds)
    return (
        "### Counting a page view\n\n"
        f"Processor time of the thread that serves the page; medians of {rounds} rounds of {counters.BATCH} events.\n\n"
        f"{report.table(counters.HEAD, counters.rows(found))}\n\n- {counters.goals(found)}\n"
    )


def measure_ledger(rounds: int, count: int) -> str:
    """Measure the cost of the ledger per grant and return its table."""
    found = ledger.measure(rounds, count, progress)
    return (
        "### Grants per second\n\n"
        f"gunicorn, {ledger.WORKERS} sync workers, and their visitors on the same machine; medians of {rounds} "
        f"rounds of {count} grants each.\n\n{report.table(ledger.HEAD, ledger.rows(found))}\n"
    )


def measure_stats(rounds: int) -> str:
    """Measure the owner's page over three years and return its table, with the goals below it."""
    progress(f"stats, {len(stats.SIZES)} stores of three years")
    found = stats.measure(rounds)
    goals = "\n".join(f"- {line}" for line in stats.goals(found))
    return (
        "### Three years on the owner's page\n\n"
        "SQLite. The report from a store that was opened just then, and the page with a report that is kept; medians "
        f"of {rounds}.\n\n{report.table(stats.HEAD, stats.rows(found))}\n\n{goals}\n"
    )


def measure_visitor(rounds: int) -> str:
    """Measure the cost of notices for the visitor, ours and others, and return the table with the goals below it."""
    title = "### What the visitor meets\n\n"
    if lacking := visitor.missing():
        return f"{title}Not measured: {lacking} is not there.\n"
    found = visitor.measure(rounds, progress)
    goals = "\n".join(f"- {line}" for line in visitor.goals(found))
    return (
        f"{title}Chromium, its processor slowed {visitor.SLOWER} times; one page of 20 KB with a Google tag, from one "
        f"server on loopback; a new visitor each time; medians of {rounds} rounds in turn.\n\n"
        f"{report.table(visitor.SPEED_HEAD, visitor.speed_rows(found))}\n\nBytes of brotli 11.\n\n"
        f"{report.table(visitor.SIZE_HEAD, visitor.size_rows(found))}\n\n"
        "Taps on a phone until the notice is gone, and words before the first of them.\n\n"
        f"{report.table(visitor.USE_HEAD, visitor.use_rows(found))}\n\n{goals}\n"
    )


def measure_weight() -> str:
    """Return the bytes that the notice adds to a page, by part."""
    progress("bytes in the page")
    return (
        "### Bytes in the page\n\n"
        f"A site in English with {len(weight.SERVICES)} services; each part by itself, then all of them together.\n\n"
        f"{report.table(weight.HEAD, weight.rows())}\n"
    )


#: The parts that can be measured separately, in the order of the output.
PARTS = (
    *("speed", "scaling", "instructions", "memory", "in-process", "starting", "kept", "edges"),
    *("caching", "counters", "ledger", "stats", "visitor", "weight"),
)


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure consent_mw beside its peers.")
    parser.add_argument("--pages", type=Path, action="append", default=[], metavar="DIR", help="HTML pages to add")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of every engine; the medians are shown")
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the streamed page")
    parser.add_argument("--requests", type=int, default=300, help="requests for each row of the edges, times three")
    parser.add_argument(
        "--only",
        choices=PARTS,
        help="measure this part alone",
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into this document too")
    parser.add_argument(
        "--quick", action="store_true", help="in three minutes, what a site keeps against the last stored ratios"
    )
    parser.add_argument("--store", action="store_true", help="with --quick: make what is measured the stored ratios")
    options = parser.parse_args(arguments)
    if options.quick:
        return max(
            instructions.quick(progress, store=options.store),
            kept.quick(progress, store=options.store),
        )
    if options.only and options.write:
        parser.error("--write needs all parts: leave out --only")

    parts: dict[str, Callable[[], str]] = {
        "speed": lambda: measure_speed(options.pages, options.rounds),
        "scaling": measure_scaling,
        "instructions": measure_instructions,
        "memory": lambda: measure_memory(options.megabytes),
        "in-process": lambda: measure_in_process(40),
        "starting": measure_starting,
        "kept": lambda: measure_kept(options.rounds, 1.0),
        "edges": lambda: measure_edges(max(20, options.requests // 3)),
        "caching": lambda: measure_caching(10_000),
        "counters": lambda: measure_counters(25),
        "ledger": lambda: measure_ledger(5, 1000),
        "stats": lambda: measure_stats(15),
        "visitor": lambda: measure_visitor(9),
        "weight": measure_weight,
    }
    measured = [f"Measured with `make bench` on: {report.machine()}.\n"]
    measured += [part() for name, part in parts.items() if options.only in {None, name}]
    text = "\n".join(measured)
    print(text)
    if options.write:
        report.write(options.write, text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
