"""Who gets to the owner's pages over HTTP, and how each answer is sealed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from consent_mw.core.model import StatsAccess
from consent_mw.stats.texts import TEXTS
from consent_mw.web.stats.access import FREE_ATTEMPTS
from tests.web.doubles import FORM
from tests.web.doubles import Visitor
from tests.web.stats.figures import published
from tests.web.stats.owner import ACCESS
from tests.web.stats.owner import PASSWORD
from tests.web.stats.owner import Outline
from tests.web.stats.owner import inside
from tests.web.stats.owner import log_in
from tests.web.stats.owner import machine
from tests.web.stats.owner import owner

PAGES = ("/stats", "/stats.json", "/stats/totals.csv", "/metrics", "/stats/login", "/stats/logout")


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


def test_a_copy_of_a_session_is_worth_nothing_after_logging_out() -> None:
    """The server knows that the session has ended, in every process that shares the records."""
    browser = inside(published(7))
    copied = dict(browser.jar)
    others = (browser, Visitor(browser.context))
    for other in others:
        other.jar.update(copied)
        assert other.get("/stats").status_code == 200
    browser.send("POST", "/stats/logout", headers={"Sec-Fetch-Site": "same-origin"})
    for other in others:
        other.jar.update(copied)
        assert other.get("/stats").status_code == 403


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
        "consent_mw.web.stats.views.find_spec", lambda name: None if name == "prometheus_client" else found(name)
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
