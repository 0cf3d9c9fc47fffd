"""What stands on the owner's page, and that every address shows the same figures."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw import stats
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.counts import K
from consent_mw.core.model import Annotation
from consent_mw.stats.texts import TEXTS
from tests.web.doubles import SITE
from tests.web.doubles import TODAY
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor
from tests.web.stats.figures import YESTERDAY
from tests.web.stats.figures import merged
from tests.web.stats.figures import one_day
from tests.web.stats.figures import published
from tests.web.stats.owner import ACCESS
from tests.web.stats.owner import LABELS
from tests.web.stats.owner import Outline
from tests.web.stats.owner import inside
from tests.web.stats.owner import log_in
from tests.web.stats.owner import machine
from tests.web.stats.owner import reported
from tests.web.stats.owner import show


def test_every_address_shows_one_report() -> None:
    """JSON and CSV are the report of the same days, and the page says its sentence."""
    figures = published(60, changed=[TODAY - 10])
    browser = inside(figures)
    found = reported(figures)
    assert browser.get("/stats.json").json == json.loads(json.dumps(stats.as_json(found, labels=LABELS)))
    for table in stats.TABLES:
        assert browser.get(f"/stats/{table}.csv").text == stats.as_csv(found, table)
    assert stats.sentence(found, LABELS) in browser.get("/stats").text.replace("\xa0", " ")


@pytest.mark.parametrize(("period", "begins_with_the_figures"), [("52w", True), ("3y", True), ("4w", False)])
def test_a_chart_begins_where_figures_do(period: str, begins_with_the_figures: bool) -> None:
    """In a period much longer than the figures the newest would be squeezed into the end of an empty chart."""
    text = inside(published(26)).get(f"/stats?period={period}").text
    hits = [float(left) for left in re.findall(r'class="hit" x="([\d.]+)%"', text)]
    assert (min(hits) == 0) == begins_with_the_figures


def test_nothing_but_published_figures_is_read() -> None:
    """Raw counts show nowhere: only the page asks for them, and tells today's visits as a round step."""
    browser = inside(published(28))
    records = browser.context.records
    records.add_counts(
        {Count(TODAY - 1, "browser", "canary-browser", "asked"): 3, Count(TODAY, "", "", "asked"): 777777}
    )
    for path in ("/stats", "/stats.json", "/stats/browser.csv", "/metrics"):
        records.calls.clear()
        answer = machine(browser, path)
        assert answer.status_code == 200
        assert "canary" not in answer.text
        assert "777777" not in answer.text
        # The page also asks whether the session has ended.
        assert set(records.calls) <= {"figures", "notice"} | ({"counts"} if path == "/stats" else set()), path
    assert "at least 500,000 visits were asked" in browser.get("/stats").text


def counts_of(answer: Mapping[str, Any]) -> dict[str, int]:
    """Return every count of an answer by where it stands."""
    found = {name: cell["count"] for name, cell in answer["period"]["totals"].items()}
    for name, table in answer["tables"].items():
        for row in table["rows"]:
            found.update({f"{name}/{row['value']}/{column}": count for column, count in row["counts"].items()})
    return found


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 60)), min_size=2, max_size=4))
def test_no_sequence_of_questions_gets_under_k(questions: list[tuple[int, int]]) -> None:
    """However days are asked for, no count is from 1 to K - 1, and neither is what one period has more than another."""
    answers = []
    for back, length in questions:
        first, last = TODAY - 1 - back - length, TODAY - 1 - back
        query = urlencode({"from": stats.iso(first), "to": stats.iso(last)})
        answers.append((first, last, counts_of(_SHARED.get(f"/stats.json?{query}").get_json())))
    for first, last, counts in answers:
        assert all(count == 0 or count >= K for count in counts.values())
        for other_first, other_last, others in answers:
            if first <= other_first and other_last <= last:
                more = {name: counts.get(name, 0) - count for name, count in others.items()}
                assert all(count == 0 or count >= K for count in more.values())


_SHARED = inside([*published(40), *merged(TODAY - 60)])


def test_changes_of_the_notice_are_marked() -> None:
    """Each revision has a numbered flag in the picture and a line with its day beside it."""
    page = show(published(60, changed=[TODAY - 20, TODAY - 10]))
    assert page.count('<g class="flag">') == 2
    assert "12\xa0Nov 2026: the notice changed to revision revision-20769" in page
    places = re.findall(r'<line class="mark" x1="([0-9.]+)%"', page)
    assert [float(place) for place in places[:2]] == [28.57, 64.29], "the 8th and the 18th of 28 days begin there"


def test_key_figures_have_honest_denominators() -> None:
    """The rate of answers, of everyone asked, and of those who did not answer stand side by side with their counts."""
    figures = published(28)
    found = reported(figures)
    page = show(figures)
    assert found.period.answers
    assert found.period.visits
    for rate in (found.period.answers, found.period.visits):
        assert f"{rate.count:,} of {rate.of:,}" in page
    silent = found.period.totals["unanswered"].count
    assert f'<p class="figure">{100 * silent / found.period.visits.of:.1f}%</p>' in page
    assert f"{silent:,} of {found.period.visits.of:,} visits left the notice open" in page
    for name in ("gpc", "withdraw"):
        assert f">{found.period.totals[name].count:,}<" in page


def test_the_period_is_compared_with_the_one_before() -> None:
    """A change that is more than chance is named with its direction; the days of both periods are told."""
    page = show(published(60, visits=20_000, changed=[TODAY - 28]))
    assert '<p class="change down">Down' in page
    assert "compared with 27\xa0Sept – 24\xa0Oct 2026" in page


def test_small_changes_are_called_the_same() -> None:
    """What may be chance is not called a change."""
    assert "About the same as in the 4 weeks before" in show(published(60, visits=200))


@pytest.mark.parametrize("preset", ["7d", "4w", "12w", "52w", "3y", "1y", "30d"])
def test_periods_can_be_chosen(preset: str) -> None:
    """Each period works, and the one that is shown is marked among the links."""
    page = Outline(show(published(30), f"?period={preset}"))
    marked = [link["href"] for link in page.all("a") if link.get("aria-current") == "page"]
    known = {"1y": "52w"}.get(preset, preset)
    assert marked == ([f"/_cmw/stats?period={known}"] if known != "30d" else [])


def test_any_days_can_be_chosen() -> None:
    """The form takes two dates, shows them again, and keeps what else was chosen."""
    page = show(published(60), "?from=2026-10-05&to=2026-10-11&table=isp")
    fields = {field["name"]: field["value"] for field in Outline(page).all("input")}
    assert fields == {"from": "2026-10-05", "to": "2026-10-11", "table": "isp"}
    assert "5–11\xa0Oct 2026" in page


@pytest.mark.parametrize(
    "query",
    [
        "period=soon",
        "period=0d",
        "from=2026-11-20&to=2026-11-01",
        "from=x",
        "to=2026-13-01",
        "from=1066-10-14&to=1066-10-15",
        "from=0001-01-01&to=9999-12-31",
        "from=%00&period=%F0%9F%98%80",
    ],
)
def test_days_that_cannot_be_shown_say_so(query: str) -> None:
    """The page falls back to the usual period with a message; machines get an error with a remedy."""
    browser = inside(published(30))
    page = browser.get(f"/stats?{query}")
    assert page.status_code == 400
    assert TEXTS["en"]["period.wrong"] in page.text
    assert Outline(page.text).all("svg")
    for path in ("/stats.json", "/stats/line.csv"):
        answer = browser.get(f"{path}?{query}")
        assert answer.status_code == 400
        assert answer.get_json()["error"]


def test_a_table_can_be_seen_whole() -> None:
    """A long table shows its first rows and a link to all; followed, every row stands there, the figures open."""
    figures = published(60)
    short = show(figures)
    assert "provider-9.example</bdi>" not in short
    assert "Show all 12 rows" in short
    whole = show(figures, "?table=isp")
    assert "provider-9.example</bdi>" in whole
    assert "Show fewer" in whole
    assert [details for details in Outline(whole).all("details") if "open" in details] != []


def test_the_time_line_can_show_a_purpose() -> None:
    """Each purpose has its own line, and the one that is shown is marked."""
    page = show(published(60), "?purpose=marketing")
    assert "Share of answers that accept marketing" in page
    assert [link["href"] for link in Outline(page).all("a") if link.get("aria-current") == "true"] == [
        "/_cmw/stats?period=4w&purpose=marketing&lang=en",
        "/_cmw/stats?period=4w&purpose=marketing#line",
    ]


def test_the_owners_notes_stand_on_the_time_line() -> None:
    """A note of the period is a mark of its own kind, numbered with the changes of the notice by day, and escaped."""
    notes = (
        Annotation(TODAY - 400, {"en": "Long ago"}),
        Annotation(TODAY - 20, {"en": "Sale <b>began</b>", "de": "Beginn"}),
    )
    context = FakeContext(replace(SITE, stats=ACCESS, annotations=notes))
    assert context.records.publish(published(60, changed=[TODAY - 10]), {})
    browser = Visitor(context, scheme="https", host="shop.example")
    log_in(browser)
    page = browser.get("/stats").text
    flags = re.findall(r"<li><b( class=\"own\")?>(\d)</b><span>(.*?)</span>", page)
    assert [(bool(own), number) for own, number, _ in flags] == [(True, "1"), (False, "2")]
    assert flags[0][2].replace("\xa0", " ") == "2 Nov 2026: Sale &lt;b&gt;began&lt;/b&gt;"
    assert page.count('class="flag own"') == 1
    assert "Long ago" not in page
    assert "Beginn" in browser.get("/stats?lang=de").text
    told = json.loads(machine(browser, "/stats.json").text)
    assert told["annotations"] == [{"day": "2026-11-02", "text": "Sale <b>began</b>"}]


def test_the_time_line_is_compared_with_the_period_before() -> None:
    """The rate of the same day of the period before stands in the table, and its line in the chart."""
    figures = published(56)
    page = show(figures)
    section = re.search(r'<section class="card" id="line".*?</section>', page, re.DOTALL)
    assert section
    assert section[0].count('<polyline class="before"') == 1
    line = stats.report(figures, first=TODAY - 56, last=TODAY - 29).line
    rates = [f"{100 * point.answers.share:.1f}%" for point in line if point.answers]
    assert re.findall(r"<td>([^<]*)</td></tr>", section[0]) == rates
    assert '<polyline class="before"' not in show(published(28))


def test_the_funnel_counts_what_the_key_figures_count() -> None:
    """
    Asked, answered and accepted are the numbers of the key figures, and between them is who had opened the choices.

    Without two steps there is no funnel.
    """
    figures = published(28)
    period = reported(figures).period
    page = show(figures)
    section = re.search(r'<section class="card" id="funnel".*?</section>', page, re.DOTALL)
    assert section and period.reached and period.visits and period.opened
    counts = [period.reached.of, period.reached.count, period.opened.count, period.visits.count]
    assert re.findall(r'<th scope="row">[^<]*</th><td>([\d,]+)</td>', section[0]) == [f"{n:,}" for n in counts]
    assert f"{100 * period.visits.share:.1f}%" in section[0]
    alone = [Figures("answers", YESTERDAY, YESTERDAY, {("", "asked"): 80})]
    assert 'id="funnel"' not in show(alone)


def test_the_sentence_gives_the_rate_that_the_page_gives() -> None:
    """After a change of the notice the sentence has the number of its purpose's row, and no third one."""
    page = show(published(60, changed=[TODAY - 10]))
    hero = re.search(r'<p class="hero">(\d+)%', page)
    row = re.search(r'<section class="card" id="purposes".*?class="value">([\d.]+)%', page, re.DOTALL)
    assert hero and row
    assert abs(float(hero[1]) - float(row[1])) <= 0.5


@pytest.mark.parametrize(
    ("columns", "note", "shown"),
    [
        (("granted", "reject", "unanswered"), "", "50%"),
        (("granted", "ungranted"), "t.note.visits", "50%"),
        (("granted",), "t.note.granted", "25%"),
        (("asked",), "t.note.share", "25%"),
    ],
)
def test_a_table_says_what_its_rates_are(columns: tuple[str, ...], note: str, shown: str) -> None:
    """Where answers are too few to be told apart, a table shows what there is, and says what that is a share of."""
    counts = {"chrome": 30, "safari": 90}
    cells = {(value, column): count for value, count in counts.items() for column in columns}
    page = show([*one_day(), Figures("browser", YESTERDAY, YESTERDAY, cells)])
    card = re.search(r'<section class="card" id="browser".*?</section>', page, re.DOTALL)
    assert card
    assert f">{shown}<" in card[0].replace(".0", "")
    told = [key for key in ("t.note.visits", "t.note.granted", "t.note.share") if TEXTS["en"][key] in card[0]]
    assert told == ([note] if note else [])
    assert all(TEXTS["en"][f"c.{column}"] in card[0] for column in columns)


def test_a_table_without_a_name_is_not_shown() -> None:
    """Where no row could be named, the table is listed among those that need more visits."""
    page = show([*one_day(), Figures("os", YESTERDAY, YESTERDAY, {("other", "asked"): 61})])
    assert 'id="os"' not in page
    assert "too few visits of each kind: Browser, System, Internet provider, Language." in page


def test_the_owners_own_settings_are_told() -> None:
    """Where counting is off, or narrowed, the page says so."""
    for counters, key in (("all", ""), ("off", "kept.off"), ("granted", "kept.granted")):
        context = FakeContext(replace(SITE, stats=ACCESS, counters=counters))
        browser = Visitor(context)
        log_in(browser)
        page = browser.get("/stats").text
        assert [each for each in ("kept.off", "kept.granted") if TEXTS["en"][each] in page] == ([key] if key else [])


def test_what_is_withheld_is_said() -> None:
    """The page says how small a figure may be, what joins the others, and which days wait."""
    page = show(merged(), "?period=12w")
    assert "fewer than 10 visits" in page
    assert "Waiting now: 16–21\xa0Nov 2026." in page
    assert "Published are 55 of 84 days." in page


def test_an_empty_site_says_when_there_will_be_figures() -> None:
    """Without any figure there are no empty charts: a sentence and the reason."""
    page = show([])
    assert TEXTS["en"]["s.nothing"].replace("{k}", "10") in page
    assert 'role="img"' not in page
    assert TEXTS["en"]["kept"] in page


@pytest.mark.parametrize(
    ("figures", "query"),
    [
        ([], ""),
        (one_day(), ""),
        (one_day(), "?period=3y"),
        (merged(), "?period=12w"),
        (published(1100), "?period=3y"),
        (published(8), "?from=2026-11-21&to=2026-11-21"),
        ([Figures("beside", YESTERDAY, YESTERDAY, {("", "gpc"): 12})], ""),
        ([Figures("answers", YESTERDAY, YESTERDAY, {("", "asked"): 12})], ""),
        ([Figures("answers", YESTERDAY, YESTERDAY, {("", "answered"): 12, ("", "unanswered"): 10})], ""),
    ],
    ids=["empty", "one day", "one of years", "merged", "years", "a day of many", "signals", "asked", "answered"],
)
@pytest.mark.parametrize("lang", TEXTS)
def test_every_amount_of_data_makes_a_whole_page(figures: list[Figures], query: str, lang: str) -> None:
    """Nothing, one day, merged days and three years give a page that is complete and has no broken number."""
    page = show(figures, f"{query}{'&' if query else '?'}lang={lang}")
    assert page.rstrip().endswith("</html>")
    assert not re.search(r"\b(nan|inf|None|Markup)\b|\{[a-z]+\}|&lt;svg", page)


def test_the_page_is_built_for_everybody() -> None:
    """One main heading, no level left out, landmarks, a way past the head, named tables with heads, unique ids."""
    page = Outline(show(published(60, changed=[TODAY - 5]), "?table=isp"))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    assert len(page.all("main")) == len(page.all("header")) == 1
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    first = next(attributes for tag, attributes in page.elements if tag == "a")
    assert first["href"].removeprefix("#") in ids
    for _, attributes in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set(attributes.get(name, "").split()) <= set(ids)
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(head["scope"] in {"col", "row"} for head in page.all("th"))
    assert all(nav["aria-label"] for nav in page.all("nav"))
    assert page.all("html") == [{"lang": "en", "dir": "ltr"}]


def test_every_chart_has_its_table() -> None:
    """Each section with a picture over time or of rates holds a table with the same figures."""
    text = show(published(60))
    for section in re.findall(r"<section.*?</section>", text, re.DOTALL):
        if 'class="chart' in section or 'class="bar"' in section and 'class="card' in section:
            assert '<table class="data">' in section
    assert text.count('<table class="data">') == 9


def test_the_page_needs_no_script_and_no_inline_style() -> None:
    """No script, handler, style attribute or style element: the policy allows none, and nothing needs one."""
    page = Outline(show(published(60)))
    assert not [tag for tag, _ in page.elements if tag in {"script", "style", "iframe", "img"}]
    assert not [
        name for _, attributes in page.elements for name in attributes if name == "style" or name.startswith("on")
    ]
    assert [link["href"][:23] for link in page.all("link")] == ["/_cmw/assets/dashboard."]


def test_the_downloads_are_of_the_days_shown() -> None:
    """Each link takes the chosen days along, whether a period or two dates."""
    for query in ("?period=12w", "?from=2026-10-05&to=2026-10-11"):
        page = Outline(show(published(30), f"{query}&purpose=analytics"))
        links = [link["href"] for link in page.all("a") if "download" in link]
        assert links
        assert {link.partition("?")[2] for link in links} == {query[1:]}


def test_every_link_of_the_page_works() -> None:
    """All addresses in the page lead to something that is there, downloads included."""
    browser = inside(published(60))
    page = Outline(browser.get("/stats").text)
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    addresses = {link["href"] for tag in ("a", "link") for link in page.all(tag)}
    for address in addresses:
        path, _, fragment = address.partition("#")
        assert not fragment or fragment in ids
        assert not path or browser.get(path.removeprefix("/_cmw")).status_code == 200
    assert len([address for address in addresses if ".csv" in address]) == len(stats.TABLES)


def test_the_pages_work_under_a_prefix() -> None:
    """A site that is mounted itself gets addresses with its prefix."""
    context = FakeContext(replace(SITE, stats=ACCESS))
    browser = Visitor(context, prefix="/shop")
    assert log_in(browser).headers["Location"] == "/shop/_cmw/stats"
    page = Outline(browser.get("/stats").text)
    assert all(link["href"].startswith(("/shop/_cmw/", "#")) for link in page.all("a"))


def test_names_from_outside_stay_text() -> None:
    """What a provider or an address calls itself is never markup, and never a formula."""
    hostile = "<script>alert(1)</script>"
    figures = published(60, names={"isp": ((hostile, 0.5, 1.0), ("=cmd()", 0.5, 1.0))})
    browser = inside(figures)
    page = browser.get(f"/stats?{urlencode({'table': hostile, 'purpose': hostile, 'lang': hostile})}").text
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    rows = list(csv.reader(io.StringIO(browser.get("/stats/isp.csv").text)))
    assert {row[0] for row in rows[1:]} == {hostile, "'=cmd()"}


def test_a_store_that_fails_is_said_plainly() -> None:
    """Where the figures cannot be read, people and machines are told to come back."""
    browser = inside(published(28))
    browser.context.records.failing = True
    page = browser.get("/stats")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "10")
    assert TEXTS["en"]["away"] in page.text
    for path in ("/stats.json", "/stats/line.csv", "/metrics"):
        answer = machine(browser, path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")


def test_a_store_that_fails_for_a_moment_is_asked_again() -> None:
    """A failure is not kept: the next request reads the figures."""
    browser = inside(published(28))
    browser.context.records.failing = True
    assert browser.get("/stats").status_code == 503
    browser.context.records.failing = False
    assert browser.get("/stats").status_code == 200


def test_the_store_is_not_read_for_every_click() -> None:
    """A visit to the tables, lines and downloads of a period reads the figures once, and whether the session ended."""
    browser = inside(published(28))
    browser.context.records.calls.clear()
    for path in ("/stats", "/stats?table=isp", "/stats?purpose=analytics", "/stats.json", "/stats/line.csv"):
        assert browser.get(path).status_code == 200
    assert browser.context.records.calls.count("figures") == 1
    assert browser.context.records.calls.count("counts") == 1
    assert set(browser.context.records.calls) == {"counts", "figures", "notice"}


def test_a_table_that_is_none_is_not_there() -> None:
    """Only tables that exist can be downloaded."""
    assert inside().get("/stats/raw.csv").status_code == 404


def test_csv_has_a_name_that_says_what_it_is() -> None:
    """A download is called after its table and its days."""
    answer = inside(published(28)).get("/stats/browser.csv?period=7d")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == ('attachment; filename="consent-browser-2026-11-15-2026-11-21.csv"')
