"""
Counting: which requests are counted and as what, that no row says two things about anyone, and that no count is lost.

Long because each reason not to count, and each way to lose a count, has its own test.
"""

from __future__ import annotations

import logging
import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.counts import ACCEPT
from consent_mw.core.counts import ANSWERS
from consent_mw.core.counts import ASKED
from consent_mw.core.counts import BROWSER
from consent_mw.core.counts import DIMENSIONS
from consent_mw.core.counts import GPC
from consent_mw.core.counts import ISP
from consent_mw.core.counts import LANGUAGE
from consent_mw.core.counts import OPENED
from consent_mw.core.counts import OS
from consent_mw.core.counts import OTHER
from consent_mw.core.counts import PARTIAL
from consent_mw.core.counts import PURPOSE
from consent_mw.core.counts import REJECT
from consent_mw.core.counts import SHOWN
from consent_mw.core.counts import SIGNAL
from consent_mw.core.counts import TOTAL
from consent_mw.core.counts import UNKNOWN
from consent_mw.core.counts import VARIANT
from consent_mw.core.counts import WITHDRAW
from consent_mw.core.counts import BannerShown
from consent_mw.core.counts import Count
from consent_mw.core.model import Site
from consent_mw.counting import tally as counting
from consent_mw.counting.browser import BROWSERS
from consent_mw.counting.browser import SYSTEMS
from consent_mw.counting.tally import Tally
from consent_mw.errors import RecordsError
from consent_mw.http.request import RequestHead

DAY = 86_400
#: A Wednesday, and the Monday before it.
TODAY = 20_782
MONDAY = 20_780
NOON = TODAY * DAY + DAY // 2
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
VISIT = RequestHead("GET", "https", "shop.example", "/", "", (("user-agent", AGENT),))
REMOTE = "73.22.11.5"


class Sink:
    """A store that keeps what it gets in memory, or fails."""

    def __init__(self) -> None:
        self.counts: Counter[Count] = Counter()
        self.failing = False
        self.batches = 0

    def add_counts(self, counts: Mapping[Count, int]) -> None:
        if self.failing:
            raise RecordsError("The store is away.")
        self.batches += 1
        self.counts.update(counts)


class Lookup:
    """A look-up that answers when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, Callable[[str], None]]] = []
        self.provider = "isp.net"
        self.closed = 0.0

    def find(self, address: str, done: Callable[[str], None]) -> None:
        self.waiting.append((address, done))

    def answer(self) -> None:
        waiting, self.waiting = self.waiting, []
        for _, done in waiting:
            done(self.provider)

    def close(self, grace: float = 0.0) -> None:
        self.closed = grace
        self.answer()


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Bench:
    """A tally, and all that it leans on."""

    def __init__(self, site: Site | None = None, *, isp: bool = True) -> None:
        self.sink = Sink()
        self.lookup = Lookup()
        self.clock = Clock(NOON)
        self.monotonic = Clock(1000.0)
        self.tally = Tally(
            self.sink,
            site or Site(),
            self.lookup if isp else None,
            clock=self.clock,
            monotonic=self.monotonic,
            chance=random.Random(7),
        )

    def shown(self, head: RequestHead = VISIT, *, language: str = "en", gpc: bool = False) -> None:
        self.tally.shown(head, REMOTE, BannerShown(language, "bar", gpc))

    def answered(
        self,
        outcome: str,
        head: RequestHead = VISIT,
        *,
        purposes: tuple[str, ...] = (),
        language: str = "en",
        gpc: bool = False,
        opened: bool = False,
    ) -> None:
        self.tally.answered(head, REMOTE, outcome, purposes, BannerShown(language, "bar", gpc, opened=opened))

    def written(self) -> Counter[Count]:
        """Return everything counted so far."""
        self.lookup.answer()
        self.tally.flush()
        return self.sink.counts


@pytest.fixture
def bench() -> Bench:
    """Return a tally that counts all."""
    return Bench()


def with_headers(*headers: tuple[str, str], scheme: str = "https") -> RequestHead:
    """Return the visit with these headers added."""
    return replace(VISIT, scheme=scheme, headers=(*VISIT.headers, *headers))


def rows(outcome: str, *, isp: str = "isp.net", signal: str = "none") -> dict[Count, int]:
    """Return what one event of the visit adds: the total, and each dimension by itself."""
    return {
        Count(TODAY, TOTAL, "", outcome): 1,
        Count(TODAY, LANGUAGE, "en", outcome): 1,
        Count(TODAY, VARIANT, "bar", outcome): 1,
        Count(TODAY, SIGNAL, signal, outcome): 1,
        Count(TODAY, BROWSER, "firefox", outcome): 1,
        Count(TODAY, OS, "linux", outcome): 1,
        Count(MONDAY, ISP, isp, outcome): 1,
    }


# -- what is counted


def test_a_visit_that_is_asked_counts_once_in_each_dimension(bench: Bench) -> None:
    """A first page with the banner is a view, and a visit in the total and in every dimension."""
    bench.shown()
    assert {Count(TODAY, TOTAL, "", SHOWN): 1, **rows(ASKED)} == bench.written()


def test_a_further_page_is_a_view_only(bench: Bench) -> None:
    """A page reached from the site itself is a view of the banner and nothing else."""
    bench.shown(with_headers(("sec-fetch-site", "same-origin")))
    assert {Count(TODAY, TOTAL, "", SHOWN): 1} == bench.written()


@pytest.mark.parametrize("outcome", [REJECT, WITHDRAW])
def test_a_refusal_counts_once_in_each_dimension(bench: Bench, outcome: str) -> None:
    """A refusal or a withdrawal counts in the total and in every dimension, and in no purpose."""
    bench.answered(outcome, purposes=("analytics",))
    assert rows(outcome) == bench.written()


@pytest.mark.parametrize("outcome", [ACCEPT, PARTIAL])
def test_a_grant_counts_each_purpose_too(bench: Bench, outcome: str) -> None:
    """What was granted counts by purpose, beside the total and the dimensions."""
    bench.answered(outcome, purposes=("analytics", "embeds"))
    purposes = {Count(TODAY, PURPOSE, purpose, outcome): 1 for purpose in ("analytics", "embeds")}
    assert {**rows(outcome), **purposes} == bench.written()


def test_the_signal_is_a_dimension(bench: Bench) -> None:
    """Visits and answers with the opt-out signal are told from those without."""
    bench.answered(REJECT, gpc=True)
    assert rows(REJECT, signal="gpc") == bench.written()


def test_a_visit_that_the_signal_answered_counts_in_the_total_only(bench: Bench) -> None:
    """Nothing is kept of who has the signal but that there was one more."""
    bench.tally.signalled(VISIT, REMOTE)
    bench.tally.signalled(with_headers(("sec-fetch-site", "same-origin")), REMOTE)
    assert ({Count(TODAY, TOTAL, "", GPC): 1}, []) == (bench.written(), bench.lookup.waiting)


def test_an_unknown_outcome_is_not_counted(bench: Bench) -> None:
    """A word that is no outcome makes no row."""
    bench.answered("maybe")
    assert {} == bench.written()


@pytest.mark.parametrize(
    ("headers", "lands"),
    [
        ([], True),
        ([("sec-fetch-site", "none")], True),
        ([("sec-fetch-site", "cross-site")], True),
        ([("sec-fetch-site", "same-site")], True),
        ([("sec-fetch-site", "same-origin")], False),
        ([("sec-fetch-site", " Same-Origin ")], False),
        # The header is the browser's word; a referrer does not change it.
        ([("sec-fetch-site", "none"), ("referer", "https://shop.example/a")], True),
        ([("sec-fetch-site", "same-origin"), ("referer", "https://search.example/")], False),
        ([("referer", "")], True),
        ([("referer", "https://search.example/?q=https://shop.example/")], True),
        ([("referer", "https://shop.example.evil.example/")], True),
        ([("referer", "https://shop.example@evil.example/")], True),
        ([("referer", "https://shop.example")], False),
        ([("referer", "https://shop.example/a?b")], False),
        ([("referer", "https://shop.example?b")], False),
        ([("referer", "https://SHOP.example:443/a")], False),
        ([("referer", "http://[")], True),
        ([("referer", "about:blank")], True),
        # A script fetched it, for whatever use; browsers name what a person navigates to.
        ([("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "empty")], False),
        ([("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "document")], True),
        ([("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "iframe")], True),
    ],
)
def test_a_visit_begins_outside_the_site(bench: Bench, headers: list[tuple[str, str]], lands: bool) -> None:
    """A page view is a visit unless the browser, or without its word the referrer, says it came from the site."""
    bench.shown(with_headers(*headers))
    assert lands == (Count(TODAY, TOTAL, "", ASKED) in bench.written())


# -- who is not counted

UNCOUNTED = [
    with_headers(("cookie", "__Host-cmw-uncounted=1")),
    with_headers(("cookie", "a=b"), ("cookie", "c=d; __Host-cmw-uncounted=1; e=f")),
    with_headers(("cookie", "cmw-uncounted=1"), scheme="http"),
    with_headers(("sec-purpose", "prefetch")),
    with_headers(("sec-purpose", "prefetch;prerender")),
    with_headers(("purpose", "prefetch")),
    with_headers(("x-moz", "prefetch")),
    replace(VISIT, method="HEAD"),
    replace(VISIT, headers=()),
    replace(VISIT, headers=(("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1)"),)),
    replace(VISIT, headers=(("user-agent", "curl/8.1"),)),
]


@pytest.mark.parametrize("head", UNCOUNTED, ids=lambda head: str(head.headers[-1:]))
def test_who_is_not_to_be_counted_changes_no_counter(bench: Bench, head: RequestHead) -> None:
    """Objectors, programs and pages in advance leave every counter as it was, and their address is not looked up."""
    bench.shown(head)
    bench.tally.signalled(head, REMOTE)
    for outcome in (*ANSWERS, WITHDRAW):
        bench.answered(outcome, head, purposes=("analytics",))
    assert ([], {}) == (bench.lookup.waiting, bench.written())


def test_nothing_is_read_about_those_who_objected(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the words that nobody would keep are made of an objector's headers."""

    def read(headers: Mapping[str, str]) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(counting, "visitor_from", read)
    monkeypatch.setattr(counting, "_logged", told := set[str]())
    bench.shown(UNCOUNTED[0])
    bench.answered(ACCEPT, UNCOUNTED[0])
    assert set() == told


# -- the setting


def test_an_answer_with_the_choices_open_is_counted_in_one_number_more() -> None:
    """That the choices were open goes into a total, and into no table; a withdrawal is no answer."""
    closed, opened = Bench(), Bench()
    for bench, seen in ((closed, False), (opened, True)):
        for outcome in (*ANSWERS, WITHDRAW):
            bench.answered(outcome, opened=seen)
    assert opened.written() - closed.written() == {Count(TODAY, TOTAL, "", OPENED): 3}


def test_off_counts_nothing() -> None:
    """With counters off no row is made, nothing is looked up, and nothing is ever due."""
    bench = Bench(Site(counters="off"))
    bench.shown()
    bench.tally.signalled(VISIT, REMOTE)
    bench.answered(ACCEPT, purposes=("analytics",))
    bench.monotonic.now += 10_000
    assert (False, [], {}) == (bench.tally.due(), bench.lookup.waiting, bench.written())


def test_granted_reads_the_device_of_those_who_granted_only() -> None:
    """With counters = "granted", browser, system and provider are counted for grants, and for nothing else."""
    bench = Bench(Site(counters="granted"))
    bench.shown()
    for outcome in (*ANSWERS, WITHDRAW):
        bench.answered(outcome)
    written = bench.written()
    seen = {(count.table, count.outcome) for count in written}
    assert {(table, outcome) for table in (BROWSER, OS, ISP) for outcome in (ACCEPT, PARTIAL)} == {
        pair for pair in seen if pair[0] in (BROWSER, OS, ISP)
    }
    everyone = {(table, outcome) for table in (LANGUAGE, VARIANT, SIGNAL) for outcome in (ASKED, *ANSWERS, WITHDRAW)}
    assert everyone == everyone & seen


@pytest.mark.parametrize("caching", ["shared", "class"])
def test_where_a_cache_shows_the_banner_who_answers_counts_as_asked(caching: str) -> None:
    """Pages are shown without anybody telling: a rate is of those who answered, and never more than whole."""
    bench = Bench(Site(caching=caching))
    bench.shown()
    bench.answered(REJECT)
    bench.answered(WITHDRAW)
    assert bench.written() == {**rows(REJECT), **rows(ASKED), **rows(WITHDRAW)}


def test_without_look_ups_every_provider_is_unknown() -> None:
    """The rows of a table share out all visitors, also where nobody is looked up."""
    bench = Bench(isp=False)
    bench.answered(REJECT)
    assert rows(REJECT, isp=UNKNOWN) == bench.written()


@pytest.mark.parametrize("remote", ["", "127.0.0.1", "10.0.0.1", "garbage"])
def test_an_address_without_a_provider_is_not_looked_up(bench: Bench, remote: str) -> None:
    """A private address, or none, is an unknown provider at once."""
    bench.tally.answered(VISIT, remote, REJECT, (), BannerShown("en", "bar", False))
    assert ([], rows(REJECT, isp=UNKNOWN)) == (bench.lookup.waiting, bench.written())


def test_the_address_is_taken_from_behind_the_stated_proxies() -> None:
    """The address that is looked up is the one that the outermost trusted proxy saw."""
    bench = Bench(Site(trusted_proxies=1))
    bench.shown(with_headers(("x-forwarded-for", "6.6.6.6, 9.9.9.9")))
    assert ["9.9.9.9"] == [address for address, _ in bench.lookup.waiting]


# -- one dimension at a time

EVENTS = st.lists(
    st.tuples(
        st.sampled_from([SHOWN, GPC, *ANSWERS, WITHDRAW]),
        st.sampled_from([AGENT, "Mozilla/5.0 (Windows NT 10.0) Chrome/1 Safari/1", "Mozilla/5.0 (iPhone) Strange/1"]),
        st.sampled_from(["en", "de"]),
        st.booleans(),
        st.sets(st.sampled_from(["analytics", "marketing"])),
    ),
    max_size=20,
)


@given(EVENTS, st.sampled_from(["all", "granted"]))
def test_no_row_says_two_things(
    events: list[tuple[str, str, str, bool, set[str]]],
    counters: str,
) -> None:
    """Whatever happens, a row names at most one of browser, system, provider, language, variant and signal."""
    bench = Bench(Site(counters=counters))
    for outcome, agent, language, gpc, purposes in events:
        head = replace(VISIT, headers=(("user-agent", agent),))
        if outcome == SHOWN:
            bench.shown(head, language=language, gpc=gpc)
        elif outcome == GPC:
            bench.tally.signalled(head, REMOTE)
        else:
            bench.answered(outcome, head, language=language, gpc=gpc, purposes=tuple(purposes))
    words = {
        TOTAL: {""},
        BROWSER: set(BROWSERS),
        OS: set(SYSTEMS),
        ISP: {"isp.net"},
        LANGUAGE: {"en", "de"},
        VARIANT: {"bar"},
        SIGNAL: {"gpc", "none"},
        PURPOSE: {"analytics", "marketing"},
    }
    assert [] == [count for count in bench.written() if count.value not in words[count.table]]


@given(EVENTS)
def test_each_dimension_shares_out_the_total(events: list[tuple[str, str, str, bool, set[str]]]) -> None:
    """The rows of every dimension add up to the total of each outcome: nobody is counted twice, or left out."""
    bench = Bench()
    for outcome, agent, language, gpc, purposes in events:
        head = replace(VISIT, headers=(("user-agent", agent),))
        if outcome == SHOWN:
            bench.shown(head, language=language, gpc=gpc)
        elif outcome != GPC:
            bench.answered(outcome, head, language=language, gpc=gpc, purposes=tuple(purposes))
    sums: Counter[tuple[str, str]] = Counter()
    for count, number in bench.written().items():
        sums[count.table, count.outcome] += number
    totals = {outcome: sums[TOTAL, outcome] for outcome in (ASKED, *ANSWERS, WITHDRAW)}
    assert [totals] * len(DIMENSIONS) == [{outcome: sums[table, outcome] for outcome in totals} for table in DIMENSIONS]


# -- the buffer


def test_nothing_is_written_before_a_flush(bench: Bench) -> None:
    """A request waits for no store."""
    bench.shown()
    assert (0, {}) == (bench.sink.batches, bench.sink.counts)


def test_a_flush_says_how_many_it_wrote(bench: Bench) -> None:
    """The different counts are told, and then none is left."""
    bench.shown(with_headers(("sec-fetch-site", "same-origin")))
    assert (1, 0, 1) == (bench.tally.flush(), bench.tally.flush(), bench.sink.batches)


def test_a_flush_is_due_at_a_random_time(bench: Bench) -> None:
    """The next flush is at least the shortest and at most the longest time away, and not always the same."""
    waits = []
    for _ in range(20):
        begun = bench.monotonic.now
        while not bench.tally.due():
            bench.monotonic.now += 1
        waits.append(bench.monotonic.now - begun)
        bench.tally.flush()
    assert (True, True) == (all(300 <= wait <= 901 for wait in waits), len(set(waits)) > 10)


def test_a_store_that_fails_loses_nothing(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """What could not be written waits, together with what comes after it; the trouble is told once."""
    bench.answered(REJECT)
    bench.lookup.answer()
    bench.sink.failing = True
    assert (0, 0) == (bench.tally.flush(), bench.tally.flush())
    bench.answered(REJECT)
    bench.sink.failing = False
    assert dict.fromkeys(rows(REJECT), 2) == bench.written()
    assert ["WARNING"] == [record.levelname for record in caplog.records]


def test_a_store_that_failed_is_tried_again_soon(bench: Bench) -> None:
    """After a failure the next try does not wait as long as after a success."""
    bench.shown()
    bench.sink.failing = True
    bench.tally.flush()
    bench.monotonic.now += counting.RETRY
    assert bench.tally.due()


def test_a_process_that_is_told_to_end_while_it_flushes_loses_nothing(bench: Bench) -> None:
    """An exit in the middle of a flush leaves the counts for the last one."""
    bench.answered(REJECT)
    bench.lookup.answer()
    real = bench.sink.add_counts

    def leave(counts: Mapping[Count, int]) -> None:
        raise SystemExit

    bench.sink.add_counts = leave  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        bench.tally.flush()
    bench.sink.add_counts = real  # type: ignore[method-assign]
    bench.tally.close()
    assert rows(REJECT) == bench.sink.counts


def test_closing_writes_what_waits(bench: Bench) -> None:
    """The end of a process flushes, after a moment for the providers that are being looked up."""
    bench.answered(REJECT)
    bench.tally.close()
    assert (rows(REJECT), counting.GRACE) == (bench.sink.counts, bench.lookup.closed)


def test_too_many_values_become_other(bench: Bench) -> None:
    """Values that strangers make up do not fill the memory, and no visit is lost over them."""
    for number in range(3 * counting.MAX_WAITING):
        bench.lookup.provider = f"isp{number}.net"
        bench.answered(REJECT)
        bench.lookup.answer()
    written = bench.written()
    total = sum(number for count, number in written.items() if count.table == ISP)
    assert 3 * counting.MAX_WAITING == total
    assert len(written) <= counting.MAX_WAITING + 10
    assert written[Count(MONDAY, ISP, OTHER, REJECT)] >= 2 * counting.MAX_WAITING


def test_the_buffer_stays_bounded_while_the_store_is_away(bench: Bench) -> None:
    """Weeks without a store do not fill the memory with days."""
    bench.sink.failing = True
    for _ in range(60):
        bench.answered(REJECT)
        bench.lookup.answer()
        bench.tally.flush()
        bench.clock.now += DAY
    bench.sink.failing = False
    bench.clock.now -= DAY
    written = bench.written()
    assert {TOTAL: 60, ISP: 60} == {table: written_in(written, table) for table in (TOTAL, ISP)}
    assert len(written) <= 21


def written_in(written: Counter[Count], table: str) -> int:
    """Return how much was counted in a table."""
    return sum(number for count, number in written.items() if count.table == table)


def test_a_failure_of_our_own_costs_no_page(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What should not happen is logged once, without what the visitor sent, and the page goes on."""
    monkeypatch.setattr(counting, "_logged", set())

    def fail(address: object, done: Callable[[str], None] | None = None) -> None:
        raise RuntimeError(address)

    bench.lookup.find = fail  # type: ignore[method-assign]
    bench.shown()
    bench.answered(REJECT)
    monkeypatch.setattr(counting, "visitor_from", fail)
    bench.tally.signalled(VISIT, REMOTE)
    assert (1, False) == (caplog.text.count("RuntimeError"), REMOTE in caplog.text)


# -- days


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (DAY - 1, TODAY),
        (DAY + 1, TODAY),
        (DAY + 1499, TODAY),
        (DAY + 1500, TODAY + 1),
        (3 * DAY, TODAY + 3),
    ],
)
def test_a_count_is_not_written_into_a_closed_day(bench: Bench, seconds: int, expected: int) -> None:
    """Until shortly before a day is closed its counts are its own; later they are those of the day they come on."""
    bench.clock.now = TODAY * DAY
    bench.tally.signalled(VISIT, REMOTE)
    bench.clock.now = TODAY * DAY + seconds
    assert {Count(expected, TOTAL, "", GPC): 1} == bench.written()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (6 * DAY, MONDAY),
        (7 * DAY + 1499, MONDAY),
        (7 * DAY + 1500, MONDAY + 7),
        (15 * DAY, MONDAY + 14),
    ],
)
def test_a_provider_is_not_written_into_a_closed_week(bench: Bench, seconds: int, expected: int) -> None:
    """A week is closed with its Sunday; what comes later is counted for the week it comes in."""
    bench.clock.now = MONDAY * DAY
    bench.answered(REJECT)
    bench.lookup.answer()
    bench.clock.now = MONDAY * DAY + seconds
    assert [expected] == [count.day for count in bench.written() if count.table == ISP]


def test_a_clock_that_goes_back_leaves_no_count_in_the_future(bench: Bench) -> None:
    """A day that has not come yet would be published late, or never."""
    bench.clock.now = (TODAY + 300) * DAY
    bench.answered(REJECT)
    bench.lookup.answer()
    bench.clock.now = NOON
    assert rows(REJECT) == bench.written()


def test_weeks_begin_on_monday() -> None:
    """The week of each day is named by its Monday."""
    bench = Bench(isp=False)
    for day in range(MONDAY, MONDAY + 8):
        bench.clock.now = day * DAY
        bench.answered(REJECT)
        bench.tally.flush()
    weeks = {count.day: number for count, number in bench.sink.counts.items() if count.table == ISP}
    assert {MONDAY: 7, MONDAY + 7: 1} == weeks


# -- threads and processes


def test_threads_lose_no_count(bench: Bench) -> None:
    """Many threads count while others flush, and every count arrives."""

    def count() -> None:
        for _ in range(500):
            bench.shown()

    def flush() -> None:
        for _ in range(50):
            bench.tally.flush()

    threads = [threading.Thread(target=work) for work in (count, count, count, count, flush, flush)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = bench.written()
    assert {SHOWN: 2000, ASKED: 2000} == {
        outcome: written[Count(TODAY, TOTAL, "", outcome)] for outcome in (SHOWN, ASKED)
    }


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return the reading and the writing end of a pipe."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_starts_empty(bench: Bench, pipe: tuple[int, int]) -> None:
    """What the parent counted is written by the parent alone, also where it counted while it forked."""
    bench.answered(REJECT)
    bench.lookup.answer()
    # Another thread of the parent may be counting just then: its lock must not stay locked in the child.
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with bench.tally._lock:
            held.set()
            release.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    child = os.fork()
    if not child:
        try:
            bench.shown(with_headers(("sec-fetch-site", "same-origin")))
            bench.tally.flush()
            told = [(count.outcome, number) for count, number in bench.sink.counts.items()]
            os.write(pipe[1], repr(told).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    release.set()
    holder.join()
    assert (repr([(SHOWN, 1)]), rows(REJECT)) == (os.read(pipe[0], 10_000).decode(), bench.written())


def test_a_fork_that_python_was_not_told_of_starts_empty(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers fork in C: what their parent counted is not written twice."""
    bench.answered(REJECT)
    bench.lookup.answer()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    bench.tally.signalled(VISIT, REMOTE)
    assert {Count(TODAY, TOTAL, "", GPC): 1} == bench.written()
    monkeypatch.setattr(os, "getpid", lambda: -2)
    assert 0 == bench.tally.flush()


def test_a_signal_in_the_middle_of_a_count_may_flush(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A handler that ends the process runs in the thread that counts: it must not wait for itself."""
    caplog.set_level(logging.WARNING)
    with bench.tally._lock:
        bench.shown()
        bench.tally.close()
    assert (1, "") == (bench.sink.counts[Count(TODAY, TOTAL, "", SHOWN)], caplog.text)
