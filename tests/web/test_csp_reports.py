"""POST /csp: what is read of a report of a browser, and all that is left of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.counts import BLOCKED
from consent_mw.core.counts import CSP
from consent_mw.core.counts import OTHER
from consent_mw.core.counts import STOPPED
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.model import Service
from consent_mw.counting.tally import MAX_HOSTS
from consent_mw.counting.tally import Tally
from consent_mw.html.service_index import ServiceIndex
from consent_mw.http.request import RequestHead
from consent_mw.stats.blocked import by_host
from consent_mw.stats.publication import plan
from consent_mw.web.csp_reports import REPORT_LIMIT
from consent_mw.web.csp_reports import blocked_hosts
from tests.web.doubles import COUNTER
from tests.web.doubles import SITE
from tests.web.doubles import TODAY
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor

REPORT = "application/csp-report"
BATCH = "application/reports+json"
REPORTING = replace(SITE, csp_reports=True)


def report(blocked: str) -> str:
    """Return a report as ``report-uri`` sends it, with all that it tells of the visitor."""
    told = {
        "document-uri": "https://shop.example/orders/4711?mail=ann@example.org",
        "referrer": "https://shop.example/login",
        "violated-directive": "script-src-elem",
        "effective-directive": "script-src-elem",
        "original-policy": "default-src 'self'",
        "disposition": "enforce",
        "blocked-uri": blocked,
        "script-sample": "secret",
    }
    return json.dumps({"csp-report": told})


def batch(*blocked: str, kind: str = "csp-violation") -> str:
    """Return reports as the Reporting API sends them."""
    return json.dumps([{"type": kind, "url": "https://shop.example/", "body": {"blockedURL": url}} for url in blocked])


def sent(
    body: str, content_type: str = REPORT, visitor: Visitor | None = None, **headers: str
) -> tuple[int, list[str]]:
    """Send a report, and return the answer's status and the hosts that were counted."""
    visitor = visitor or Visitor(FakeContext(REPORTING))
    told = {name.replace("_", "-"): value for name, value in headers.items()} or {"Sec-Fetch-Site": "same-origin"}
    answer = visitor.send("POST", "/csp", body=body, content_type=content_type, headers=told)
    return answer.status_code, visitor.context.counting.stopped


HOSTS = {
    "https://www.google-analytics.com/g/collect?cid=1": ["google-analytics.com"],
    "https://t.counter.example/x": ["t.counter.example"],
    "https://ann.t.counter.example/x": ["counter.example"],
    "https://ann-4711.users.elsewhere.example/x": ["elsewhere.example"],
    "https://USER@Cdn.Elsewhere.example:8443/": ["elsewhere.example"],
    "wss://live.elsewhere.example": ["elsewhere.example"],
    "https://static.shop.example/app.js": [],
    "inline": [],
    "eval": [],
    "data": [],
    "blob:https://elsewhere.example/1": [],
    "https://192.0.2.7/x": ["192.0.2.7"],
    "https://[2001:db8::1]/x": [],
    "https://" + "a" * 200 + ".example/": [],
    "https://evil.example\n<script>": [],
    "": [],
}


@pytest.mark.parametrize("blocked", HOSTS)
def test_of_a_report_only_the_host_is_counted(blocked: str) -> None:
    """A host by its name in the catalogue or by its site's; nothing where it is not a host, or the site's own."""
    counter = replace(COUNTER, hosts=("t.counter.example",))
    visitor = Visitor(FakeContext(replace(REPORTING, services=(counter,))))
    assert sent(report(blocked), visitor=visitor) == (204, HOSTS[blocked])


def test_a_choice_tells_what_the_guard_stopped() -> None:
    """Hosts that come with a choice are counted as reported ones are; the site's own and what is not a host are not."""
    hosts = ["www.google-analytics.com", "a.elsewhere.example", "b.elsewhere.example", "shop.example", "<b>", "x" * 200]
    visitor = Visitor(FakeContext(SITE))
    visitor.post(("action", "reject-all"), ("stopped", " ".join(hosts)))
    assert visitor.context.counting.stopped == ["elsewhere.example", "google-analytics.com"]
    assert visitor.context.counting.outcome == STOPPED


ILL_FORMED = {
    "too long": " ".join(["elsewhere.example"] * 300),
    "an address": "https://elsewhere.example/x",
    "an IP address": "192.0.2.7",
    "IPv6": "[2001:db8::1]",
    "one label": "intranet",
    "capitals": "Elsewhere.Example",
    "control characters": "elsewhere.example\n\0",
    "no text": "\ufffd",
    "nothing": "",
}


@pytest.mark.parametrize("name", ILL_FORMED)
def test_an_ill_formed_field_is_ignored(name: str) -> None:
    """What is not a host name is not counted, and the choice holds."""
    visitor = Visitor(FakeContext(SITE))
    answer = visitor.post(("action", "reject-all"), ("stopped", ILL_FORMED[name]))
    assert (answer.status_code, visitor.context.counting.stopped) == (303, [])
    assert [outcome for _, outcome, *_ in visitor.context.counting.told] == ["reject"]


def test_what_the_guard_stopped_is_in_no_record() -> None:
    """The ledger of a grant has nothing of the hosts that came with it."""
    visitor = Visitor(FakeContext(SITE))
    visitor.post(("action", "accept-all"), ("stopped", "elsewhere.example"))
    assert visitor.context.counting.stopped == ["elsewhere.example"]
    assert visitor.context.records.rows
    assert "elsewhere" not in repr(visitor.context.records.rows)


def test_a_choice_tells_of_few_hosts() -> None:
    """What is beyond the thirty-second is left out."""
    visitor = Visitor(FakeContext(SITE))
    visitor.post(("action", "reject-all"), ("stopped", " ".join(f"s{number}.example" for number in range(100))))
    assert len(visitor.context.counting.stopped) == 32


def test_a_report_makes_no_service_of_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reported host is looked up in the catalogue's index: making all services would take 0.2 s of a first answer."""
    made: list[str] = []
    make = ServiceIndex._make

    def counted(self: ServiceIndex, id_: str) -> Service:
        made.append(id_)
        return make(self, id_)

    monkeypatch.setattr(ServiceIndex, "_make", counted)
    assert sent(report("https://o.hotjar.com/x.js"))[1] == ["hotjar.com"]
    assert made == []


def test_a_batch_counts_each_host_once() -> None:
    """The Reporting API's batches are read too; reports of other kinds in them are left out."""
    body = batch("https://a.example/1", "https://a.example/2", "https://b.example/")
    other = batch("https://c.example/", kind="deprecation")
    assert sent(body, BATCH) == (204, ["a.example", "b.example"])
    assert sent(other, BATCH) == (204, [])


def test_what_the_visitor_allowed_is_not_counted() -> None:
    """A page from before the grant goes on reporting what now may load."""
    visitor = Visitor(FakeContext(REPORTING))
    before = sent(report("https://cdn.counter.example/x"), visitor=visitor)[1].copy()
    visitor.post(("action", "accept-all"))
    after = sent(report("https://cdn.counter.example/x"), visitor=visitor)[1]
    assert (before, after) == (["counter.example"], ["counter.example"])


REFUSED = {
    "reports are not wanted": (Visitor(FakeContext(SITE)), REPORT, {"Sec-Fetch-Site": "same-origin"}, 404),
    "another site": (None, REPORT, {"Sec-Fetch-Site": "cross-site"}, 403),
    "another origin": (None, REPORT, {"Origin": "https://elsewhere.example"}, 403),
    "no report": (None, "text/plain", {"Sec-Fetch-Site": "same-origin"}, 415),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_report_is_refused(name: str) -> None:
    """Nothing is counted of what does not come from a page of this site as a report."""
    visitor, content_type, headers, status = REFUSED[name]
    visitor = visitor or Visitor(FakeContext(REPORTING))
    body = report("https://elsewhere.example/")
    answer = visitor.send("POST", "/csp", body=body, content_type=content_type, headers=headers)
    assert (answer.status_code, visitor.context.counting.stopped) == (status, [])


def test_a_report_is_bounded() -> None:
    """A long batch is taken, a longer one is not; of many reports the first are read."""
    many = batch(*(f"https://h{number}.example/" for number in range(300)))
    assert len(many) < REPORT_LIMIT
    assert (sent(many, BATCH)[0], len(sent(many, BATCH)[1])) == (204, 50)
    assert sent(batch("https://a.example/" + "x" * REPORT_LIMIT), BATCH) == (413, [])


def test_an_answer_permits_no_other_origin_anything() -> None:
    """A preflight from elsewhere gets no CORS header on any of our pages."""
    visitor = Visitor(FakeContext(REPORTING))
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    answers = [visitor.send("OPTIONS", path, headers=asked) for path in ("/", "/choice", "/state", "/csp", "/receipt")]
    assert [name for answer in answers for name, _ in answer.headers if name.lower().startswith("access-")] == []


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["csp-report", "body", "blocked-uri", "blockedURL", "type"]), inner)
        ),
    )
)
def test_no_report_raises(found: object) -> None:
    """Whatever a body holds, reading it gives a set of hosts."""
    assert blocked_hosts(json.dumps(found).encode()) <= {str(found)}


# -- what becomes of it


class Sink:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.counts: dict[Count, int] = {}

    def add_counts(self, counts: Mapping[Count, int]) -> None:
        """Add to the counters."""
        self.counts.update(counts)


HEAD = RequestHead("POST", "https", "shop.example", "/_cmw/csp", "", (("user-agent", "Mozilla/5.0 Firefox/128.0"),))


def test_hosts_are_counted_by_day_alone() -> None:
    """The count names a day and a host; beyond the bound every host is another one."""
    sink = Sink()
    tally = Tally(sink, SITE, clock=lambda: TODAY * 86_400.0)
    for number in range(MAX_HOSTS + 5):
        tally.blocked(HEAD, [f"h{number:03}.example"])
    tally.blocked(HEAD, ["h000.example"])
    tally.flush()
    counted = {count.value: number for count, number in sink.counts.items()}
    assert {(count.day, count.table, count.outcome) for count in sink.counts} == {(TODAY, CSP, BLOCKED)}
    assert (len(counted), counted["h000.example"], counted[OTHER]) == (MAX_HOSTS + 1, 2, 5)


def test_who_objected_to_counting_is_not_counted() -> None:
    """A report of theirs leaves nothing."""
    sink = Sink()
    tally = Tally(sink, SITE, clock=lambda: TODAY * 86_400.0)
    tally.blocked(replace(HEAD, headers=(*HEAD.headers, ("cookie", "__Host-cmw-uncounted=1"))), ["a.example"])
    tally.flush()
    assert sink.counts == {}


def blocked(day: int, host: str, number: int) -> dict[Count, int]:
    """Return a raw count of a host."""
    return {Count(day, CSP, host, BLOCKED): number}


def test_a_host_is_told_when_it_was_reported_often_enough() -> None:
    """Reports of some days add up to ten; fewer are not told, and forgotten after four weeks."""
    raw = {**blocked(1, "a.example", 6), **blocked(3, "a.example", 4), **blocked(3, "b.example", 9)}
    steps = plan(raw, [], 3)
    assert [step.figures for step in steps] == [(Figures(CSP, 3, 3, {("a.example", BLOCKED): 10}),)]
    assert [dict(step.spent) for step in steps] == [{**blocked(1, "a.example", 6), **blocked(3, "a.example", 4)}]
    assert [dict(step.spent) for step in plan(raw, [], 40)][-1] == blocked(3, "b.example", 9)


def test_the_hosts_most_reported_come_first() -> None:
    """The command's table: each host once, its reports of the time, and the last day; what the guard stopped is not."""
    runs = [
        Figures(CSP, 3, 3, {("a.example", BLOCKED): 10, ("b.example", BLOCKED): 30}),
        Figures(CSP, 5, 5, {("a.example", BLOCKED): 40, ("b.example", STOPPED): 99}),
        Figures("answers", 5, 5, {("", "asked"): 99}),
    ]
    assert by_host(runs) == [("a.example", 50, 5), ("b.example", 30, 3)]
