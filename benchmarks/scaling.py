"""
Whether the rewriter's time is linear in the length of the page, and independent of the size of the catalogue.

Times are processor times of one process, the best of several rounds, with the scanner in C, if it is built, and without
it. *Again* is a page that was read before; *unseen* is another page of the same site.
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
#: The goal for the ratio of the worst time to the best.
GOAL = 1.10
_ROUNDS = 7
#: Longer pages get fewer rounds.
_LONG = 500_000
#: The services in the generated pages, which every catalogue must contain.
_HELD = frozenset({"facebook-plugins", "google-ads", "google-analytics", "google-tag-manager", "meta-pixel"})
#: The duration of a sample, in seconds.
_SAMPLE = 0.02

ENGINES: dict[str, Callable[[Matcher], Run]] = {OURS: pure, **({OURS_IN_C: ours} if scan.Scanner else {})}


@dataclass(frozen=True, slots=True)
class Scaled:
    """Seconds for a page of a given size, or with a given number of services."""

    engine: str
    amount: int
    again: float
    unseen: float


def _best(act: Callable[[], object], rounds: int) -> float:
    """Return the shortest time of a call; each sample repeats short calls."""
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
    """Return the lower quartile of the times for new pages of a site, after other pages were read."""
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
    """Return that many services: those of the catalogue, then variants of them as needed."""
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
    """Measure one page with catalogues of several sizes, in turns."""
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
    """Return the rows of the table of sizes, with the columns of :data:`SIZE_HEAD`."""
    return [
        (one.engine, f"{one.amount / 1000:,.0f}", f"{one.again * 1e3:.2f}", f"{one.again / one.amount * 1e9:.2f}")
        for one in found
    ]


def service_rows(found: Sequence[Scaled]) -> list[tuple[str, ...]]:
    """Return the rows of the table of services, with the columns of :data:`SERVICE_HEAD`."""
    return [(one.engine, f"{one.amount:,}", f"{one.again * 1e6:.0f}", f"{one.unseen * 1e6:.0f}") for one in found]


def _spread(times: Sequence[float]) -> str:
    ratio = max(times) / min(times)
    return f"{ratio:.2f} from the best to the worst (goal: {GOAL:.2f}, {'reached' if ratio <= GOAL else 'NOT reached'})"


def goals(sizes: Sequence[Scaled], services: Sequence[Scaled]) -> list[str]:
    """Return for each engine the ratio of the worst time to the best."""
    lines = []
    for name in dict.fromkeys(one.engine for one in sizes):
        mine = [one for one in sizes if one.engine == name]
        lines.append(f"{name}, time for a byte: {_spread([one.again / one.amount for one in mine])}")
    for name in dict.fromkeys(one.engine for one in services):
        counted = [one for one in services if one.engine == name]
        lines.append(f"{name}, a page again: {_spread([one.again for one in counted])}")
        lines.append(f"{name}, an unseen page: {_spread([one.unseen for one in counted])}")
    return lines
