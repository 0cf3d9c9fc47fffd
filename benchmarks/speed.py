"""
Speed of the rewriter compared with other libraries: medians over rounds of every engine on every page.

*Cold* is a page seen for the first time: the matcher and the engine are new and have seen only one line, so that their
caches contain nothing of it. *Warm* is the same page again. A live site is in between: its pages share most of their
markup.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from statistics import median
from time import process_time

from benchmarks.engines import HTML_PARSER
from benchmarks.engines import LIMITS
from benchmarks.engines import LOLHTML
from benchmarks.engines import PEERS
from benchmarks.engines import Engine
from benchmarks.engines import Run
from benchmarks.ours import OURS
from benchmarks.ours import OURS_IN_C
from benchmarks.ours import ours
from benchmarks.ours import pure
from benchmarks.pages import PageSet
from consent_mw import catalogue
from consent_mw.html import scan
from consent_mw.html.match import Matcher

#: The duration of a warm sample, in seconds, which repeats the page: a single run is too short to time.
_SAMPLE = 0.05
#: An engine that needs more than this for a round, in seconds, gets fewer rounds.
_SLOW = 0.5

#: A page before the measured ones, so that what an engine compiles on first use is not counted.
_OTHER_PAGE = (
    b"<!DOCTYPE html><title>t</title><style>p{color:red}</style><body><p id=a>t<script>var a</script><img src=a>"
)

#: The goals, as multiples of the speed of html.parser and of lolhtml.
GOALS = {HTML_PARSER: 10.0, LOLHTML: 1 / 3}

#: The compared engines, including the scanner in C if it is built.
ENGINES: Mapping[str, Engine] = {OURS: pure, **({OURS_IN_C: ours} if scan.Scanner else {}), **PEERS, **LIMITS}


@dataclass(slots=True)
class Result:
    """The result of one engine for one set of pages; times are in seconds, by round."""

    page_set: PageSet
    engine: str
    held: int = 0
    done: list[bytes] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The total size of the pages that the engine can process, in bytes."""
        return sum(map(len, self.done))

    def speed(self, times: Sequence[float]) -> float:
        """Return the speed in megabytes per second."""
        return self.size / median(times) / 1e6 if times and self.size else 0.0


def _clock(run: Run, pages: Iterable[bytes]) -> float:
    begin = process_time()
    for page in pages:
        run(page)
    return process_time() - begin


def _try(result: Result, run: Run) -> None:
    """Find the pages that the engine can process; some engines fail on markup that browsers accept."""
    for page in result.page_set.pages:
        try:
            _, held = run(page)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a Rust panic is not an Exception
            result.failures.append(type(error).__name__)
        else:
            result.done.append(page)
            result.held += held


def measure(page_set: PageSet, rounds: int, progress: Callable[[str], None]) -> list[Result]:
    """Run every engine on the pages, in turns, so that a slow moment of the machine affects all of them."""
    services = list(catalogue.load().values())
    results = [Result(page_set, name) for name in ENGINES]
    for result in results:
        _try(result, ENGINES[result.engine](Matcher(services)))
    for number in range(rounds):
        progress(f"{page_set.name}, round {number + 1} of {rounds}")
        for result in results:
            if number >= 3 and result.cold[0] > _SLOW:
                continue
            run = ENGINES[result.engine](Matcher(services))
            run(_OTHER_PAGE)
            gc.collect()
            first = _clock(run, result.done)
            result.cold.append(first)
            repeats = max(1, round(_SAMPLE / max(first, 1e-6)))
            result.warm.append(sum(_clock(run, result.done) for _ in range(repeats)) / repeats)
    return results


def note(result: Result, wanted: int) -> str:
    """Return a note if an engine did not do the same work as the others."""
    notes = []
    if result.failures:
        kinds = ", ".join(sorted(set(result.failures)))
        notes.append(f"fails on {len(result.failures)} of {len(result.page_set.pages)} pages ({kinds})")
    if result.engine in LIMITS:
        notes.append("no work")
    elif result.held != wanted:
        notes.append(f"NOT the same work: holds {result.held}, not {wanted}")
    return "; ".join(notes)


def _ratio(result: Result, base: Result) -> str:
    cold = result.speed(result.cold) / (base.speed(base.cold) or 1)
    warm = result.speed(result.warm) / (base.speed(base.warm) or 1)
    return f"{cold:.2f} / {warm:.2f}" if max(cold, warm) < 1000 else "-"


HEAD = (
    "pages",
    "engine",
    "cold, ms",
    "warm, ms",
    "warm, MB/s",
    "speed / html.parser, cold / warm",
    "speed / lolhtml, cold / warm",
    "held",
    "note",
)


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return the rows of the table for one set of pages, with the columns of :data:`HEAD`."""
    by_name = {result.engine: result for result in results}
    wanted = results[0].page_set.trackers
    if wanted is None:
        wanted = by_name[OURS].held
    return [
        (
            result.page_set.name,
            result.engine,
            f"{median(result.cold) * 1000:.2f}",
            f"{median(result.warm) * 1000:.2f}",
            f"{result.speed(result.warm):.1f}",
            _ratio(result, by_name[HTML_PARSER]),
            _ratio(result, by_name[LOLHTML]),
            "" if result.engine in LIMITS else str(result.held),
            note(result, wanted),
        )
        for result in results
    ]


def goals(results: Sequence[Sequence[Result]]) -> list[str]:
    """Return a line for each goal, with the ratios of the slowest set of pages, cold and warm."""
    lines = []
    for name, goal in GOALS.items():
        found: dict[str, float] = {}
        for group in results:
            by_name = {result.engine: result for result in group}
            mine, base = by_name[OURS], by_name[name]
            for label, times, base_times in (("cold", mine.cold, base.cold), ("warm", mine.warm, base.warm)):
                ratio = mine.speed(times) / (base.speed(base_times) or 1)
                found[label] = min(found.get(label, ratio), ratio)
        parts = ", ".join(
            f"{label} {ratio:.2f} ({'reached' if ratio >= goal else 'NOT reached'})" for label, ratio in found.items()
        )
        lines.append(f"At least {goal:.2f} times the speed of {name}, on the worst of the pages: {parts}.")
    return lines
