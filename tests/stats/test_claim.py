"""The claim: whatever happened on a site, and whatever is asked, nothing tells of a group of one to nine."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw.core import counts as c
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.counts import K
from consent_mw.records import open_records
from consent_mw.stats import TABLES
from consent_mw.stats import as_csv
from consent_mw.stats import as_json
from consent_mw.stats import publish_due
from consent_mw.stats import report
from tests.stats.adversary import WAYS
from tests.stats.adversary import findings
from tests.stats.histories import BEGIN
from tests.stats.histories import Site
from tests.stats.histories import Visit
from tests.stats.histories import counted
from tests.stats.memory import MemoryCounters

SITES = st.builds(
    Site,
    visits=st.sampled_from([0.3, 3.0, 15.0, 40.0, 120.0]),
    accept=st.sampled_from([0.02, 0.3, 0.7, 0.9]),
    partial=st.sampled_from([0.0, 0.02, 0.1]),
    reject=st.sampled_from([0.0, 0.05, 0.2]),
    purposes=st.integers(1, 5),
    languages=st.integers(1, 6),
    providers=st.sampled_from([1, 4, 40]),
    curious=st.sampled_from([0.0, 0.03, 0.3, 1.0]),
    days=st.integers(1, 75),
    outage=st.tuples(st.integers(0, 30), st.integers(0, 45)),
)


class Story(MemoryCounters):
    """A store that remembers everything it was told, for the books to be checked."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: dict[Count, int] = {}
        self.spent: list[tuple[tuple[Figures, ...], Mapping[Count, int]]] = []

    def add_counts(self, counts: Mapping[Count, int]) -> None:
        """Add, and remember."""
        super().add_counts(counts)
        for count, number in counts.items():
            self.counted[count] = self.counted.get(count, 0) + number

    def publish(self, figures: Sequence[Figures], spent: Mapping[Count, int]) -> bool:
        """Publish, and remember."""
        done = super().publish(figures, spent)
        if done:
            self.spent.append((tuple(figures), dict(spent)))
        return done


def lived(site: Site, seed: int) -> Story:
    """Let a site live: counts arrive in time, some late; publication comes at odd times, and the clock goes back."""
    chance = random.Random(seed)
    story = Story()
    waiting: list[Visit] = []
    lateness = chance.choice([0.0, 0.02, 0.3])
    eagerness = chance.choice([0.05, 0.5, 1.0])
    by_day: dict[int, list[Visit]] = {}
    for visit in site.history(chance):
        by_day.setdefault(visit.day, []).append(visit)
    for day in range(BEGIN, BEGIN + site.days + 40):
        today = by_day.get(day, [])
        late = [visit for visit in today if chance.random() < lateness]
        # A visit's counts may be torn apart: its ISP is looked up, its answer comes later.
        pieces = [piece for visit in waiting for piece in visit.counts()]
        chance.shuffle(pieces)
        half = chance.randint(0, len(pieces))
        story.add_counts(_sum(pieces[:half]))
        story.add_counts(counted([visit for visit in today if visit not in late]))
        if chance.random() < eagerness:
            publish_due(story, today=day + chance.choice([1, 1, 1, 0, -3]), seconds_into_day=chance.choice([None, 60]))
        story.add_counts(_sum(pieces[half:]))
        waiting = late
    story.add_counts(counted(waiting))
    publish_due(story, today=BEGIN + site.days + 41)
    return story


def _sum(pieces: Sequence[Count]) -> dict[Count, int]:
    found: dict[Count, int] = {}
    for piece in pieces:
        found[piece] = found.get(piece, 0) + 1
    return found


def spans(story_days: int, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """Return all periods between the ``cuts``, thousandths of the days of a story and some around it."""
    ends = sorted({BEGIN - 5 + (story_days + 50) * cut // 1000 for cut in cuts})
    return [(first, last) for at, first in enumerate(ends) for last in ends[at + 1 :]]


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(site=SITES, seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 1000), min_size=2, max_size=7, unique=True))
@example(site=Site(visits=60, purposes=3, partial=0.1, days=60), seed=1, cuts=[0, 300, 700, 1000])
@example(site=Site(visits=60, purposes=2, partial=0.1, days=60), seed=2, cuts=[0, 500, 600, 1000])
@example(site=Site(visits=120, purposes=4, accept=0.6, days=40), seed=3, cuts=[100, 200, 400, 900])
def test_every_claim_holds(site: Site, seed: int, cuts: list[int]) -> None:
    """Each claim below holds for the figures of a site, whatever happened there: to live takes longer than to look."""
    story = lived(site, seed)
    kept = list(story.kept.values())
    no_figures_tell_of_fewer_than_ten(kept, site)
    no_questions_tell_of_fewer_than_ten(kept, spans(site.days, cuts))
    nothing_is_lost(story)
    rows_add_up_to_the_totals_of_their_days(kept)
    runs_of_a_table_do_not_overlap_and_fit_the_atoms(kept)


def no_figures_tell_of_fewer_than_ten(kept: list[Figures], site: Site) -> None:
    """No published cell, and no difference of groups one of which lies in the other, is a number from 1 to 9."""
    assert findings(kept, site.purposes) == []


def no_questions_tell_of_fewer_than_ten(kept: list[Figures], asked: list[tuple[int, int]]) -> None:
    """Numbers of periods that lie within each other, in JSON and CSV, differ by nobody or by ten at least."""
    answers = {(first, last): _numbers(kept, first, last) for first, last in asked}
    for (first, last), outer in answers.items():
        for (begin, end), inner in answers.items():
            if first <= begin and end <= last:
                # A row may have no name in a part of the period: then it is not the same group.
                assert {key: outer[key] for key in outer.keys() & inner.keys() if 0 < outer[key] - inner[key] < K} == {}
        assert {key: number for key, number in outer.items() if 0 < number < K} == {}


def _numbers(figures: list[Figures], first: int, last: int) -> dict[str, int]:
    """Return every count of people that the JSON and CSV of a period give."""
    told = report(figures, first=first, last=last)
    found: dict[str, int] = {}
    document = json.loads(json.dumps(as_json(told)))
    for name, total in document["period"]["totals"].items():
        found[name] = total["count"]
    for name, purpose in document["period"]["purposes"].items():
        for kind in ("answers", "visits"):
            if purpose[kind]:
                found[f"{name} {kind}"] = purpose[kind]["count"]
                found[f"without {name} {kind}"] = purpose[kind]["of"] - purpose[kind]["count"]
    for name, table in document["tables"].items():
        for row in table["rows"]:
            for column, number in row["counts"].items():
                found[f"{name} {row['value']} {column}"] = number
    assert all(as_csv(told, table) for table in TABLES)
    return found


def nothing_is_lost(story: Story) -> None:
    """What was counted is published or waits: no count is spent twice, and atoms say what was spent on them."""
    total = dict(story.raw)
    for _, spent in story.spent:
        for count, number in spent.items():
            total[count] = total.get(count, 0) + number
    assert total == {count: number for count, number in story.counted.items() if number}
    for outcome, column in ((c.ACCEPT, "accept"), (c.REJECT, "reject")):
        atoms = [run for run in story.kept.values() if run.table == "answers"]
        if all(("", column) in run.cells for run in atoms):
            published = sum(run.cells["", column] for run in atoms)
            waiting = sum(n for count, n in story.raw.items() if (count.table, count.outcome) == (c.TOTAL, outcome))
            counts = sum(n for count, n in story.counted.items() if (count.table, count.outcome) == (c.TOTAL, outcome))
            assert published + waiting == counts


def rows_add_up_to_the_totals_of_their_days(kept: list[Figures]) -> None:
    """The rows of each run add up to what the atoms of the same days say, in every column."""
    atoms = [run for run in kept if run.table == "answers"]
    for run in kept:
        if run.table not in c.DIMENSIONS:
            continue
        inside = [atom for atom in atoms if run.first <= atom.first and atom.last <= run.last]
        for column in {column for _, column in run.cells}:
            told = [n for atom in inside for (_, way), n in atom.cells.items() if set(WAYS[way]) <= set(WAYS[column])]
            assert sum(number for (_, name), number in run.cells.items() if name == column) == sum(told)


def runs_of_a_table_do_not_overlap_and_fit_the_atoms(kept: list[Figures]) -> None:
    """Every run begins and ends where an atom does; all dimensions share their runs."""
    firsts = {run.first for run in kept if run.table == "answers"}
    lasts = {run.last for run in kept if run.table == "answers"}
    assert {run.first for run in kept} <= firsts
    assert {run.last for run in kept} <= lasts
    runs = sorted({(run.first, run.last) for run in kept if run.table in c.DIMENSIONS})
    assert all(one[1] < other[0] for one, other in pairwise(runs))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(site=SITES, seed=st.integers(0, 2**32))
def test_the_counters_in_memory_are_those_of_the_store(site: Site, seed: int) -> None:
    """A real store, told the same, publishes the same figures and keeps the same counts."""
    chance = random.Random(seed)
    visits = site.history(chance)
    with TemporaryDirectory() as folder:
        store = open_records(f"sqlite:///{Path(folder)}/consent.db")
        memory = MemoryCounters()
        for begin in range(0, len(visits), 1 + len(visits) // 3):
            part = counted(visits[begin : begin + 1 + len(visits) // 3])
            today = BEGIN + chance.randint(0, site.days + 30)
            for each in (store, memory):
                each.add_counts(part)
                publish_due(each, today=today)
        assert store.figures(0, 10**6) == memory.figures(0, 10**6)
        assert store.counts(10**6) == memory.counts(10**6)
        store.close()
