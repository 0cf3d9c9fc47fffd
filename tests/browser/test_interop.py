"""
Tools that answer notices for their users answer ours, in every language, and the server records the answer.

autoconsent is the real one; Consent-O-Matic is our own driver that performs its rule file (see automation.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError

from consent_mw import ConsentMiddleware
from consent_mw.notice.assets import texts
from tests.browser.harness import automation
from tests.browser.harness import background
from tests.browser.harness.proxy import Lane
from tests.browser.harness.proxy import Proxy

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

LANGUAGES = sorted(texts())

#: Languages that autoconsent's heuristics can answer: it has patterns for both the notice and a button that refuses. It
#: also has phrases for buttons in cs, id, ru, sv and tr, but no pattern for a notice, or only one exact label.
KNOWN = ["ca", "de", "en", "es", "fr", "it", "nl", "pl", "pt", "pt-BR"]

#: Languages in which it knows the label of our button that accepts.
ACCEPTING = ["es", "fr", "nl", "pl"]

TRACKERS = {
    "analytics": "www.googletagmanager.com/gtag/js?id=G-1",
    "marketing": "www.facebook.com/tr?id=1",
    "embeds": "www.youtube.com/iframe_api?a=1",
    "research": "lab.example/p.js?a=1",
}

#: Number of tabs open at a time.
TABS = 6

REFUSAL_GONE = """addEventListener('DOMContentLoaded', () => {
  document.querySelectorAll('[data-cmw-action=reject-all]').forEach(button => button.remove());
});
"""


def page_of(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with a page in the language of its path, with one tracker, or under ``/all`` with all of them."""
    _, lang, *more = environ["PATH_INFO"].split("/")
    source = {name: f"https://{address}&amp;lang={lang}" for name, address in TRACKERS.items()}
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    tags = [f'<script src="{source["analytics"]}"></script>']
    if more:
        tags.append(f'<img alt="" src="{source["marketing"]}">')
        tags += [f'<script src="{source[name]}"></script>' for name in ("embeds", "research")]
    head = f'<!doctype html><html lang="{lang}"><head><title>Shop</title></head><body><h1>Shop</h1>'
    return [(head + "".join(tags)).encode()]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> ConsentMiddleware:
    """A site that offers every language and declares four services, one of them for a custom purpose."""
    lab = {"id": "lab", "name": "Lab", "vendor": "Lab", "purposes": ["research"], "hosts": ["lab.example"]}
    return ConsentMiddleware(
        page_of,
        {
            "site": {
                "name": "Shop",
                "languages": ["en", *(lang for lang in LANGUAGES if lang != "en")],
                "records": f"sqlite:///{tmp_path_factory.mktemp('records') / 'consent.db'}",
            },
            "purposes": {"research": {"label": {"en": "Research"}, "description": {"en": "Learn."}}},
            "services": [{"use": "google-analytics"}, {"use": "meta-pixel"}, {"use": "youtube"}, lab],
        },
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a visit: the tool's report, and the state of the server and the browser afterwards."""

    ended: str
    found: tuple[str, ...]
    tested: bool | None
    state: str
    shown: bool


@dataclass(frozen=True, slots=True)
class Visits:
    """The answers by language, and the trackers reached in each."""

    answers: dict[str, Answer]
    asked: dict[str, set[str]]


def host(lang: str) -> str:
    """Return a host for each language, so that cookies are separate."""
    return f"{lang.lower()}.first.example"


class Visitor:
    """Visits in one browser window, with a tool in every page."""

    def __init__(self, browser: Browser, lane: Lane, *scripts: str) -> None:
        self._lane = lane
        self._context = browser.new_context(proxy={"server": lane.address}, ignore_https_errors=True)
        for script in scripts:
            self._context.add_init_script(script)

    def open(self, lang: str, *, more: str = "", page: Page | None = None) -> Page:
        """Go to the page in a language, in a new tab or in ``page``."""
        page = page or self._context.new_page()
        page.set_extra_http_headers({"Accept-Language": lang})
        page.goto(f"https://{host(lang)}/{lang}{more}", wait_until="commit")
        return page

    def visit(self, languages: Sequence[str], more: str = "") -> Visits:
        """Visit the page in each language, some at a time, and wait for the tool."""
        answers = {}
        tabs = [self._context.new_page() for _ in languages[:TABS]]
        for start in range(0, len(languages), TABS):
            pages = {
                lang: self.open(lang, more=more, page=tab) for lang, tab in zip(languages[start:], tabs, strict=False)
            }
            for lang, page in pages.items():
                automation.done(page)
                # The tool ends with its click, while the choice is still being sent.
                with contextlib.suppress(TimeoutError):
                    page.wait_for_selector("html:not([data-cmw-state=none])", state="attached", timeout=10_000)
                ended, found, tested = automation.told(page)
                if any(name.startswith("HEURISTIC") for name in found):
                    # These look once, half a second after the click, which may be before the server's answer.
                    tested = None
                answers[lang] = Answer(ended, tuple(found), tested, state(page), shown(page))
            self._lane.settle(0.1)
        for tab in tabs:
            tab.close()
        return Visits(answers, asked(self._lane))

    def close(self) -> None:
        """Close the window."""
        self._context.close()


def state(page: Page) -> str:
    """Return the choice that the server reads from the visitor's cookie."""
    found: str = page.evaluate("fetch('/_cmw/state').then(answer => answer.json()).then(now => now.state)")
    return found


def shown(page: Page) -> bool:
    """Return whether the banner is visible."""
    return page.locator("[data-cmw-banner]").is_visible()


def asked(lane: Lane) -> dict[str, set[str]]:
    """Return the trackers reached, by the language of the page; those with only a connection are under ``""``."""
    found: dict[str, set[str]] = {}
    for hit in background.without_background(lane.foreign()):
        names = [name for name, address in TRACKERS.items() if hit.host == address.partition("/")[0]]
        lang = hit.path.rpartition("lang=")[2] if hit.method != "CONNECT" else ""
        found.setdefault(lang, set()).update(names or [hit.host])
    return found


@pytest.fixture
def visitor(chromium: Browser, proxy: Proxy, app: ConsentMiddleware) -> Iterator[_Open]:
    """Open windows of fresh visitors, each with the given tools."""
    with proxy.lane({host(lang): app for lang in LANGUAGES}) as lane:
        opened = _Open(chromium, lane)
        yield opened
        for window in opened.windows:
            window.close()


class _Open:
    def __init__(self, browser: Browser, lane: Lane) -> None:
        self._browser = browser
        self._lane = lane
        self.windows: list[Visitor] = []

    def __call__(self, *scripts: str) -> Visitor:
        self.windows.append(Visitor(self._browser, self._lane, *scripts))
        return self.windows[-1]


def refused(name: str) -> Answer:
    """Return the result of a visit in which the tool ``name`` refused for its user."""
    return Answer("done", (name,), None if name.startswith("HEURISTIC") else True, "reject", shown=False)


# -- autoconsent


@pytest.mark.slow
def test_autoconsent_refuses_by_our_rule_in_every_language(visitor: _Open) -> None:
    """With our rule added to its own, it refuses everywhere, its self-test passes, and no tracker is reached."""
    rules = [*automation.upstream_rules(), automation.own_rule()]
    visits = visitor(automation.autoconsent("optOut", rules=rules)).visit(LANGUAGES)
    assert visits == Visits({lang: refused("consent-mw") for lang in LANGUAGES}, {})


@pytest.mark.slow
def test_autoconsent_accepts_by_our_rule_in_every_language(visitor: _Open) -> None:
    """If set to accept, it accepts everywhere, and the held services of each page run."""
    rules = [*automation.upstream_rules(), automation.own_rule()]
    visits = visitor(automation.autoconsent("optIn", rules=rules)).visit(LANGUAGES)
    agreed = Answer("done", ("consent-mw",), None, "accept", shown=False)
    assert visits.answers == dict.fromkeys(LANGUAGES, agreed)
    assert {lang: visits.asked.get(lang) for lang in LANGUAGES} == {lang: {"analytics"} for lang in LANGUAGES}


@pytest.mark.slow
def test_autoconsent_refuses_by_heuristics_in_the_languages_that_it_knows(visitor: _Open) -> None:
    """Without our rule it recognises the notice and the button that refuses by their text."""
    script = automation.autoconsent("optOut", rules=automation.upstream_rules(), heuristics="reject")
    visits = visitor(script).visit(KNOWN)
    assert visits == Visits({lang: refused("HEURISTIC-REJECT") for lang in KNOWN}, {})


@pytest.mark.slow
def test_autoconsent_accepts_by_heuristics_only_where_nothing_refuses(visitor: _Open) -> None:
    """
    Its heuristics accept only as a last resort: if the button that refuses is removed, it finds the one that accepts.

    In English it finds no button that it would press, and accepts nothing.
    """
    script = automation.autoconsent("optOut", rules=automation.upstream_rules(), heuristics="tier2")
    visits = visitor(script, REFUSAL_GONE).visit(["en", *ACCEPTING])
    agreed = Answer("done", ("HEURISTIC-TIER2",), None, "accept", shown=False)
    nothing = Answer("nothingDetected", (), None, "none", shown=True)
    assert visits.answers == {"en": nothing} | dict.fromkeys(ACCEPTING, agreed)


def test_autoconsent_asked_to_accept_by_heuristics_grants_nothing(visitor: _Open) -> None:
    """It does not support that: it finds the notice and stops with an error, without a choice or a tracker request."""
    script = automation.autoconsent("optIn", rules=automation.upstream_rules(), heuristics="tier2")
    page = visitor(script).open("en")
    page.wait_for_function("window.cmwAutomation?.state.lifecycle === 'runningOptIn'")
    assert (state(page), shown(page)) == ("none", True)


def test_autoconsent_leaves_a_choice_alone(visitor: _Open) -> None:
    """On the next page, which only has the reopen control, it finds nothing to answer."""
    script = automation.autoconsent("optOut", rules=automation.upstream_rules(), heuristics="tier2")
    window = visitor(script)
    answers = [window.visit(["en"]).answers["en"] for _ in range(2)]
    assert answers == [refused("HEURISTIC-REJECT"), Answer("nothingDetected", (), None, "reject", shown=False)]


# -- Consent-O-Matic


@pytest.mark.parametrize(
    ("letters", "chosen", "trackers"),
    [
        ("", "reject", set()),
        ("D", "reject", set()),
        ("B", "partial", {"analytics"}),
        ("EX", "partial", {"embeds", "research"}),
        ("DABEFX", "accept", set(TRACKERS)),
    ],
)
def test_consent_o_matic_answers_each_purpose(visitor: _Open, letters: str, chosen: str, trackers: set[str]) -> None:
    """Its categories map to our purposes: what its user allows runs, and no other tracker is reached."""
    visits = visitor(automation.consent_o_matic(letters)).visit(["en"], more="/all")
    answer = visits.answers["en"]
    assert (answer.ended, answer.state, answer.shown) == ("done", chosen, False)
    assert set().union(*visits.asked.values()) == trackers
