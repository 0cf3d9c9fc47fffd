"""The owner's pages over HTTP: who gets in, what stands there, and that every address shows the same figures."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import json
import re
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from consent_mw import stats
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.counts import K
from consent_mw.core.model import StatsAccess
from consent_mw.web.access import FREE_ATTEMPTS
from consent_mw.web.stats_sentence import sentence
from consent_mw.web.stats_texts import TEXTS
from consent_mw.web.words import Words
from tests.web.doubles import FORM
from tests.web.doubles import SITE
from tests.web.doubles import TODAY
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor
from tests.web.figures import YESTERDAY
from tests.web.figures import merged
from tests.web.figures import one_day
from tests.web.figures import published

PASSWORD = "correct horse battery staple"
TOKEN = "token-of-a-machine"
ACCESS = StatsAccess(
    password=generate_password_hash(PASSWORD, "pbkdf2:sha256:1"),
    token=hashlib.sha256(TOKEN.encode()).hexdigest(),
)
LABELS = {"analytics": "statistics", "marketing": "marketing"}
PAGES = ("/stats", "/stats.json", "/stats/totals.csv", "/metrics", "/stats/login", "/stats/logout")


def owner(
    figures: Sequence[Figures] = (), *, access: StatsAccess = ACCESS, scheme: str = "https", host: str = "shop.example"
) -> Visitor:
    """Return a browser in front of a site with these figures."""
    context = FakeContext(replace(SITE, stats=access))
    if figures:
        assert context.records.publish(list(figures), {})
    return Visitor(context, scheme=scheme, host=host)


def log_in(browser: Visitor, password: str = PASSWORD, **headers: str) -> TestResponse:
    """Send the login form as the page does."""
    told = headers or {"Sec_Fetch_Site": "same-origin"}
    spelled = {name.replace("_", "-"): value for name, value in told.items()}
    body = urlencode({"password": password})
    return browser.send("POST", "/stats/login", body=body, headers=spelled, content_type=FORM)


def inside(figures: Sequence[Figures] = ()) -> Visitor:
    """Return a browser that is logged in."""
    browser = owner(figures)
    assert log_in(browser).status_code == 303
    return browser


def show(figures: Sequence[Figures], query: str = "") -> str:
    """Return the page as an owner sees it."""
    answer = inside(figures).get(f"/stats{query}")
    assert answer.status_code == 200
    return answer.text


def machine(browser: Visitor, path: str, token: str = TOKEN) -> TestResponse:
    """Ask with a bearer token."""
    return browser.get(path, Authorization=f"Bearer {token}")


def reported(figures: Sequence[Figures], days: int = 28) -> stats.Report:
    """Return what the pages are made of."""
    return stats.report(figures, first=TODAY - days, last=YESTERDAY)


class Outline(HTMLParser):
    """What a page is built of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of each such element."""
        return [attributes for name, attributes in self.elements if name == tag]


# -- who may look


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_there_until_it_is_configured(path: str, method: str) -> None:
    """Without a way in, each address answers word for word as one that never was."""
    browser = owner(published(7), access=StatsAccess())
    known, unknown = (browser.send(method, each, headers={"Sec-Fetch-Site": "same-origin"}) for each in (path, "/none"))
    assert known.status_code == 404
    assert (known.data, dict(known.headers)) == (unknown.data, dict(unknown.headers))


def test_a_stranger_gets_the_login_and_no_figure() -> None:
    """The page without a session is a form with one field, and says nothing of the site's figures."""
    answer = owner(published(28)).get("/stats")
    page = Outline(answer.text)
    assert answer.status_code == 403
    assert [field["autocomplete"] for field in page.all("input")] == ["current-password"]
    assert page.all("svg") == []
    assert "%" not in answer.text


def test_the_password_opens_the_page() -> None:
    """The right password leads to the page, and the cookie of it shows the figures."""
    browser = owner(published(28))
    answer = log_in(browser)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/_cmw/stats")
    assert "of answers accept statistics" in browser.get("/stats").text.replace("\xa0", " ")


def test_the_login_leads_back_to_what_was_asked_for() -> None:
    """Whoever opened an address with a period comes to that period, and to no other address."""
    browser = owner()
    page = browser.get("/stats?period=12w&table=isp&next=//evil.example")
    action = next(form["action"] for form in Outline(page.text).all("form"))
    assert action == "/_cmw/stats/login?period=12w&table=isp"
    answer = browser.send(
        "POST",
        action.removeprefix("/_cmw"),
        body=urlencode({"password": PASSWORD}),
        headers={"Sec-Fetch-Site": "same-origin"},
        content_type=FORM,
    )
    assert answer.headers["Location"] == "/_cmw/stats?period=12w&table=isp"


def test_the_session_cookie_is_as_narrow_as_can_be() -> None:
    """Signed, for this host alone, out of reach for scripts and other sites, for eight hours."""
    cookie = log_in(owner()).headers["Set-Cookie"]
    name, _, rest = cookie.partition("=")
    assert name == "__Host-cmw-stats"
    assert rest.partition("; ")[2] == "Max-Age=28800; Path=/; HttpOnly; SameSite=Strict; Secure"


def test_on_this_machine_the_cookie_needs_no_https() -> None:
    """On http://localhost the cookie has a plain name, since browsers keep no other there."""
    browser = owner(scheme="http", host="localhost:5000")
    assert log_in(browser).headers["Set-Cookie"].startswith("cmw-stats=")
    assert browser.get("/stats").status_code == 200


def test_no_password_travels_in_the_clear() -> None:
    """Over plain http elsewhere the login is refused before the password is looked at."""
    answer = log_in(owner(scheme="http"))
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert TEXTS["en"]["in.insecure"] in answer.text


def test_a_plain_cookie_opens_nothing_over_https() -> None:
    """The name of the cookie on localhost is not read over https, where anybody on the way could have set it."""
    browser = inside()
    browser.jar = {"cmw-stats": browser.jar["__Host-cmw-stats"]}
    assert browser.get("/stats").status_code == 403


def test_two_sessions_at_once_are_none() -> None:
    """Where a browser sends the cookie twice, nobody can say which one it meant."""
    browser = inside()
    session = browser.jar["__Host-cmw-stats"]
    browser.jar["__Host-cmw-stats"] = f"{session}; __Host-cmw-stats={session}"
    assert browser.get("/stats").status_code == 403


def test_a_wrong_password_says_so() -> None:
    """The form comes back with a message that belongs to its field, and with no cookie."""
    answer = log_in(owner(), "guess")
    page = Outline(answer.text)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert page.all("input")[0]["aria-describedby"] == "problem"
    assert "guess" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Accept": "*/*"},
    ],
)
def test_other_sites_cannot_log_anybody_in(headers: dict[str, str]) -> None:
    """A login that was sent from elsewhere, or from who knows where, is refused with the right password too."""
    browser = owner()
    answer = log_in(browser, **headers)
    assert answer.status_code == 403
    assert browser.jar == {}


def test_guesses_are_limited() -> None:
    """After some guesses the next one waits, whether right or wrong, and is told for how long."""
    browser = owner()
    for _ in range(FREE_ATTEMPTS):
        assert log_in(browser, "guess").status_code == 403
    answer = log_in(browser)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert "try again in 1 second." in answer.text
    assert browser.jar == {}


def test_sessions_and_tokens_go_on_while_somebody_guesses() -> None:
    """Whoever is in already stays in."""
    browser = inside(published(7))
    for _ in range(FREE_ATTEMPTS + 2):
        log_in(browser, "guess")
    assert browser.get("/stats").status_code == 200
    assert machine(browser, "/stats.json").status_code == 200


def test_logging_out_ends_it() -> None:
    """The button on the page takes the session away; another site cannot press it."""
    browser = inside()
    assert any(
        form["action"].startswith("/_cmw/stats/logout") for form in Outline(browser.get("/stats").text).all("form")
    )
    foreign = browser.send("POST", "/stats/logout", headers={"Sec-Fetch-Site": "cross-site"})
    assert (foreign.status_code, len(browser.jar)) == (403, 1)
    answer = browser.send("POST", "/stats/logout", headers={"Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, browser.jar) == (303, {})
    assert browser.get("/stats").status_code == 403


def test_a_token_opens_what_machines_read() -> None:
    """JSON and CSV ask for the token by its scheme; the page for people does not take it."""
    browser = owner(published(7))
    for path in ("/stats.json", "/stats/line.csv"):
        refused = browser.get(path)
        assert (refused.status_code, refused.headers["WWW-Authenticate"][:7]) == (401, "Bearer ")
        assert machine(browser, path, "other").status_code == 401
        assert machine(browser, path).status_code == 200
    assert machine(browser, "/stats").status_code == 403


def test_a_session_opens_the_downloads() -> None:
    """The links on the page work for whoever sees the page."""
    browser = inside(published(7))
    assert browser.get("/stats.json").status_code == 200
    assert browser.get("/stats/browser.csv").status_code == 200


def test_the_hosts_check_opens_everything() -> None:
    """A site that knows its staff needs neither password nor token, and gets no login form of ours."""

    def staff(environ: Mapping[str, object]) -> bool:
        return environ.get("HTTP_X_STAFF") == "yes"

    browser = owner(published(7), access=StatsAccess(check=staff))
    for path in ("/stats", "/stats.json", "/stats/totals.csv"):
        assert browser.get(path, X_Staff="yes").status_code == 200
    refused = browser.get("/stats")
    assert refused.status_code == 403
    assert Outline(refused.text).all("form") == []
    assert log_in(browser).status_code == 404


def test_a_token_alone_tells_people_what_to_do() -> None:
    """Without a password the page says how to set one."""
    answer = owner(access=replace(ACCESS, password="")).get("/stats")
    assert answer.status_code == 403
    assert "consent-mw stats passwd" in answer.text


def test_metrics_are_not_there_for_strangers() -> None:
    """Whoever has no token cannot tell whether there are metrics."""
    browser = owner(published(28))
    hidden, unknown = browser.get("/metrics"), browser.get("/none")
    assert (hidden.status_code, hidden.data) == (404, unknown.data)
    found = machine(browser, "/metrics")
    assert found.status_code == 200
    assert found.text.startswith("# HELP consent_mw_")


def test_metrics_are_not_there_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the address does not exist, with the token neither."""
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "consent_mw.web.stats.find_spec", lambda name: None if name == "prometheus_client" else found(name)
    )
    assert machine(owner(published(28)), "/metrics").status_code == 404


@pytest.mark.parametrize("path", ["/stats", "/stats.json", "/stats/totals.csv", "/metrics", "/stats?from=x"])
def test_no_answer_is_kept_framed_or_found(path: str) -> None:
    """Every answer, let in or not, forbids keeping, framing, indexing, guessing its type, and inline code."""
    browser = inside(published(7))
    stranger = owner(published(7))
    for answer in (browser.get(path), stranger.get(path), log_in(stranger, "guess")):
        headers = answer.headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Robots-Tag"] == "noindex"
        assert headers["Referrer-Policy"] == "same-origin"
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "script" not in policy


# -- what stands there


def test_every_address_shows_one_report() -> None:
    """JSON and CSV are the report of the same days, and the page says its sentence."""
    figures = published(60, changed=[TODAY - 10])
    browser = inside(figures)
    found = reported(figures)
    assert browser.get("/stats.json").json == json.loads(json.dumps(stats.as_json(found, labels=LABELS)))
    for table in stats.TABLES:
        assert browser.get(f"/stats/{table}.csv").text == stats.as_csv(found, table)
    assert stats.sentence(found, LABELS) in browser.get("/stats").text.replace("\xa0", " ")


def test_nothing_but_published_figures_is_read() -> None:
    """Raw counts of days that were not published yet show nowhere: the pages do not ask for them."""
    browser = inside(published(28))
    records = browser.context.records
    records.add_counts(
        {Count(TODAY - 1, "browser", "canary-browser", "asked"): 3, Count(TODAY, "", "", "asked"): 777777}
    )
    records.calls.clear()
    for path in ("/stats", "/stats.json", "/stats/browser.csv", "/metrics"):
        answer = machine(browser, path)
        assert answer.status_code == 200
        assert "canary" not in answer.text
        assert "777777" not in answer.text
    assert set(records.calls) == {"figures"}


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


@pytest.mark.parametrize(
    ("figures", "days"),
    [
        ([], 28),
        (one_day(), 28),
        (merged(), 84),
        (published(60), 28),
        (published(60, changed=[TODAY - 10]), 28),
        (published(60, changed=[TODAY - 400, TODAY - 20]), 28),
        (published(1), 1),
        (published(14), 7),
        (published(60, visits=60), 28),
    ],
    ids=["empty", "one day", "merged", "a month", "changed", "changed twice", "alone", "a week", "few"],
)
def test_the_sentence_is_that_of_the_terminal(figures: list[Figures], days: int) -> None:
    """In English the page says what ``consent-mw stats`` says, word for word."""
    found = reported(figures, days)
    assert sentence(Words("en"), found, LABELS).replace("\xa0", " ") == stats.sentence(found, LABELS)


def test_the_sentence_names_the_change_of_the_notice() -> None:
    """A drop since the notice changed is said with its size and its day, in the language of the page."""
    figures = published(60, visits=20_000, changed=[TODAY - 14])
    for lang, words in {
        "en": "since the notice changed on 8\xa0November",
        "de": "seit sich der Hinweis am 8.\xa0November geändert hat",
        "fr": "depuis le changement de l’avis le 8\xa0novembre",
    }.items():
        assert words in show(figures, f"?lang={lang}")


def test_changes_of_the_notice_are_marked() -> None:
    """Each revision has a numbered flag in the picture and a line with its day beside it."""
    page = show(published(60, changed=[TODAY - 20, TODAY - 10]))
    assert page.count('<g class="flag">') == 2
    assert "12\xa0Nov 2026: the notice changed to revision revision-20769" in page


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
        ([Figures("gpc", YESTERDAY, YESTERDAY, {("", "gpc"): 12})], ""),
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
    assert text.count('<table class="data">') == 8


def test_the_page_needs_no_script_and_no_inline_style() -> None:
    """No script, handler, style attribute or style element: the policy allows none, and nothing needs one."""
    page = Outline(show(published(60)))
    assert not [tag for tag, _ in page.elements if tag in {"script", "style", "iframe", "img"}]
    assert not [
        name for _, attributes in page.elements for name in attributes if name == "style" or name.startswith("on")
    ]
    assert [link["href"][:23] for link in page.all("link")] == ["/_cmw/assets/dashboard."]


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
    """Going through the tables, the lines and the downloads of a period reads the figures once."""
    browser = inside(published(28))
    browser.context.records.calls.clear()
    for path in ("/stats", "/stats?table=isp", "/stats?purpose=analytics", "/stats.json", "/stats/line.csv"):
        assert browser.get(path).status_code == 200
    assert browser.context.records.calls == ["figures"]


def test_a_table_that_is_none_is_not_there() -> None:
    """Only tables that exist can be downloaded."""
    assert inside().get("/stats/raw.csv").status_code == 404


def test_csv_has_a_name_that_says_what_it_is() -> None:
    """A download is called after its table and its days."""
    answer = inside(published(28)).get("/stats/browser.csv?period=7d")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == ('attachment; filename="consent-browser-2026-11-15-2026-11-21.csv"')


# -- languages


@pytest.mark.parametrize(("header", "lang"), [("de-AT,de;q=0.9", "de"), ("fr", "fr"), ("ja", "en"), ("", "en")])
def test_the_page_speaks_the_owners_language(header: str, lang: str) -> None:
    """The browser's language decides, whatever languages the site has."""
    answer = inside(published(7)).get("/stats", Accept_Language=header)
    assert Outline(answer.text).all("html")[0]["lang"] == lang


@pytest.mark.parametrize("lang", sorted(set(TEXTS) - {"en"}))
def test_texts_are_translated_with_their_places(lang: str) -> None:
    """Each translation is of a known text, and has the same places for values."""
    for key, text in TEXTS[lang].items():
        english = TEXTS["en"].get(key)
        if english is not None:
            places = [set(re.findall(r"\{\w+\}", each)) for each in (text, english)]
            assert places[0] == places[1], key
        else:
            assert key == "day.first"
    missing = {key for key in TEXTS["en"] if key not in TEXTS[lang]}
    assert missing <= {"thousands", "decimal", "range", "range.tight", "range.days", "day", "day.year", "day.bare"} | {
        "points",
        "points.one",
        "context.none",
        "get.csv",
        "s.end",
    }


@pytest.mark.parametrize(
    ("lang", "number", "share", "days"),
    [
        ("en", "1,234.5", "62.3%", "28\xa0Oct – 3\xa0Nov 2026"),
        ("de", "1.234,5", "62,3\xa0%", "28.\xa0Okt. – 3.\xa0Nov. 2026"),
        ("fr", "1\u202f234,5", "62,3\u202f%", "28\xa0oct. – 3\xa0nov. 2026"),
    ],
)
def test_numbers_and_dates_are_those_of_the_language(lang: str, number: str, share: str, days: str) -> None:
    """Thousands, decimals, percentages and ranges of days read as the language writes them."""
    words = Words(lang)
    assert (words.number(1234.5, 1), words.percent(0.623, 1), words.days(TODAY - 25, TODAY - 19)) == (
        number,
        share,
        days,
    )


def test_a_range_of_days_is_as_short_as_it_can_be() -> None:
    """What both ends share is said once; a day is a day; years are told where they differ."""
    words = Words("en")
    assert words.days(TODAY, TODAY) == "22\xa0Nov 2026"
    assert words.days(TODAY - 6, TODAY) == "16–22\xa0Nov 2026"
    assert words.days(TODAY - 365, TODAY) == "22\xa0Nov 2025 – 22\xa0Nov 2026"


@given(st.integers(0, 2_000_000), st.integers(0, 3700))
def test_any_period_has_a_readable_axis(first: int, length: int) -> None:
    """Whatever the days, the axis has few labels, in order, within its days."""
    first = min(first, 2_900_000 - length)
    ticks = Words("de").ticks(first, first + length)
    places = [tick.place for tick in ticks]
    assert len(ticks) <= 18
    assert places == sorted(places)
    assert all(first <= place <= first + length + 1 for place in places)
    assert len([tick for tick in ticks if tick.level == 0]) <= 7 or length > 2600
