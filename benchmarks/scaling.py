"""
Whether the rewriter's time grows with the page's length in a straight line, and with the catalogue not at all.

Times are processor time of one process, the best of several rounds in turn, with the scanner in C where it was built
and without it. *Again* is a page that was read before; *unseen* is another page of the same site.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from functools import partial

from benchmarks.ours import OURS
from benchmarks.ours import OURS_IN_C
from benchmarks.ours import Run
from benchmarks.ours import ours
from benchmarks.ours import pure
from benchmarks.pages import make_page
from consent_mw import catalogue
from consent_mw.core.model import Service
from consent_mw.html import scan
from consent_mw.html.match import Matcher

SIZES = (20_000, 200_000, 2_000_000, 20_000_000)
SERVICES = (800, 2_000, 15_000)
PAGE = 50_000
#: How far the worst may be from the best.
GOAL = 1.10
_ROUNDS = 7
#: Longer pages get fewer rounds.
_LONG = 500_000
#: What the made pages hold, which has to be the same each time.
_HELD = frozenset({"facebook-plugins", "google-ads", "google-analytics", "google-tag-manager", "meta-pixel"})
#: A sample lasts so long, in seconds.
_SAMPLE = 0.02

ENGINES: dict[str, Callable[[Matcher], Run]] = {OURS: pure, **({OURS_IN_C: ours} if scan.Scanner else {})}


@dataclass(frozen=True, slots=True)
class Scaled:
    """Seconds for a page of a size, or against a number of services."""

    engine: str
    amount: int
    again: float
    unseen: float


def _best(act: Callable[[], object], rounds: int) -> float:
    """Return the shortest time of a call, each sample of several calls if they are short."""
    begun = time.process_time()
    act()
    count = max(1, round(_SAMPLE / max(time.process_time() - begun, 1e-6)))
    found = []
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(count):
            act()
        found.append((time.process_time() - begun) / count)
    return min(found)


def _unseen(run: Run, seed: int) -> float:
    """Return the median time of pages of a site of which other pages were read."""
    for number in range(8):
        run(make_page(PAGE, seed=seed + number))
    found = []
    for number in range(8, 8 + 4 * _ROUNDS):
        page = make_page(PAGE, seed=seed + number)
        begun = time.process_time()
        run(page)
        found.append(time.process_time() - begun)
    return sorted(found)[len(found) // 4]


def by_size(progress: Callable[[str], None]) -> list[Scaled]:
    """Measure pages of several sizes."""
    services = list(catalogue.load().values())
    found = []
    for name, engine in ENGINES.items():
        run = engine(Matcher(services))
        for size in SIZES:
            progress(f"{name}, a page of {size / 1000:.0f} KB")
            page = make_page(size)
            run(page)
            gc.collect()
            rounds = 3 if size > _LONG else _ROUNDS
            found.append(Scaled(name, len(page), _best(partial(run, page), rounds), 0.0))
    return found


def some_services(count: int) -> list[Service]:
    """Return so many services: those of the catalogue, and as many more like them as it takes."""
    known = sorted(catalogue.load().values(), key=lambda service: service.id not in _HELD)
    made = known[:count]
    for number in range(count - len(made)):
        like = known[number % len(known)]
        mark = f"x{number // len(known)}-"
        made.append(
            replace(
                like,
                id=mark + like.id,
                hosts=tuple(mark + host for host in like.hosts),
                inline=tuple(f"{mark[:-1]}_{text}" for text in like.inline),
                elements=(),
                places=(),
                paths=tuple(f"/{mark}{path[1:]}" for path in like.paths if path.startswith("/")),
            )
        )
    return made


def by_services(progress: Callable[[str], None]) -> list[Scaled]:
    """Measure one page against catalogues of several sizes, in turn."""
    page = make_page(PAGE)
    found = []
    for name, engine in ENGINES.items():
        runs = {}
        for count in SERVICES:
            progress(f"{name}, {count} services")
            runs[count] = engine(Matcher(some_services(count)))
            runs[count](page)
        again = dict.fromkeys(SERVICES, 1.0)
        for _ in range(3):
            for count, run in runs.items():
                again[count] = min(again[count], _best(partial(run, page), _ROUNDS))
        found += [Scaled(name, count, again[count], _unseen(runs[count], 100)) for count in SERVICES]
    return found


SIZE_HEAD = ("engine", "page, KB", "again, ms", "ns a byte")
SERVICE_HEAD = ("engine", "services", "again, us", "unseen, us")


def size_rows(found: Sequence[Scaled]) -> list[tuple[str, ...]]:
    """Return the lines of the table of sizes, as in :data:`SIZE_HEAD`."""
    return [
        (one.engine, f"{one.amount / 1000:,.0f}", f"{one.again * 1e3:.2f}", f"{one.again / one.amount * 1e9:.2f}")
        for one in found
    ]


def service_rows(found: Sequence[Scaled]) -> list[tuple[str, ...]]:
    """Return the lines of the table of services, as in :data:`SERVICE_HEAD`."""
    return [(one.engine, f"{one.amount:,}", f"{one.again * 1e6:.0f}", f"{one.unseen * 1e6:.0f}") for one in found]


def _spread(times: Sequence[float]) -> str:
    ratio = max(times) / min(times)
    return f"{ratio:.2f} from the best to the worst (goal: {GOAL:.2f}, {'reached' if ratio <= GOAL else 'NOT reached'})"


def goals(sizes: Sequence[Scaled], services: Sequence[Scaled]) -> list[str]:
    """Say for each engine how far the worst is from the best."""
    lines = []
    for name in dict.fromkeys(one.engine for one in sizes):
        mine = [one for one in sizes if one.engine == name]
        lines.append(f"{name}, time for a byte: {_spread([one.again / one.amount for one in mine])}")
    for name in dict.fromkeys(one.engine for one in services):
        counted = [one for one in services if one.engine == name]
        lines.append(f"{name}, a page again: {_spread([one.again for one in counted])}")
        lines.append(f"{name}, an unseen page: {_spread([one.unseen for one in counted])}")
    return lines
