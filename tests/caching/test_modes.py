"""The caching headers of a site in each mode, and the inputs of its pages."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import urlencode

import pytest

from consent_mw import ConsentMiddleware
from consent_mw import current
from consent_mw.config import load
from consent_mw.errors import ConfigError
from tests.edges.contract import Answer
from tests.edges.contract import Ask
from tests.edges.contract import ask_wsgi

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

HELD = b'<script async src="https://www.google-analytics.com/analytics.js"></script>'
PAGE = b"<!doctype html><title>t</title><body><p>x" + HELD
SERVICES = [{"use": name} for name in ("google-analytics", "hotjar", "meta-pixel")]
DOCUMENT = {"sec-fetch-dest": "document", "accept": "text/html"}
FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
TOLD = [("Cache-Control", "public, max-age=600"), ("ETag", '"1"'), ("Expires", DATE), ("Last-Modified", DATE)]


@dataclass
class Bench:
    """A site in one mode, with the requests that its application saw, and its responses."""

    ask: Ask
    headers: list[tuple[str, str]] = field(default_factory=lambda: list(TOLD))
    kind: str = "text/html; charset=utf-8"
    body: bytes = PAGE
    environs: list[dict[str, Any]] = field(default_factory=list)

    def app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer 304 to a client that has the page, and otherwise the page."""
        self.environs.append(dict(environ))
        tags = dict(self.headers)
        fresh = environ.get("HTTP_IF_NONE_MATCH") == tags.get("ETag", "-")
        fresh = fresh or (
            "ETag" not in tags and environ.get("HTTP_IF_MODIFIED_SINCE") == tags.get("Last-Modified", "-")
        )
        start_response("304 Not Modified" if fresh else "200 OK", [("Content-Type", self.kind), *self.headers])
        return [b"" if fresh else self.body]

    def get(self, cookie: str = "", method: str = "GET", path: str = "/page", **more: str) -> Answer:
        """Request a page as a browser does."""
        given = {**DOCUMENT, **({"cookie": cookie} if cookie else {})}
        given |= {name.replace("_", "-"): value for name, value in more.items()}
        return self.ask(path, method, {name: value for name, value in given.items() if value}, b"")

    def choose(self, *fields: tuple[str, str], **more: str) -> list[str]:
        """Make a choice, and return the Set-Cookie lines, the signed cookie first."""
        headers = {**FORM, **{name.replace("_", "-"): value for name, value in more.items()}}
        answer = self.ask("/_cmw/choice", "POST", headers, urlencode(fields).encode())
        assert answer.status == 303
        return sorted(answer.headers["set-cookie"], key=lambda line: "HttpOnly" not in line)


Make = Callable[..., Bench]
ACCEPT, REJECT = ("action", "accept-all"), ("action", "reject-all")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that creates a site."""

    def made(caching: str, *, scheme: str = "https", purposes: int = 0, **more: Any) -> Bench:
        site = {"records": f"sqlite:///{tmp_path}/consent.db", "caching": caching, "name": "Shop", **more}
        bench = Bench(lambda *given: pytest.fail("not yet"))
        config: dict[str, object] = {"site": site, "services": SERVICES}
        if purposes:
            names = [f"p{n}" for n in range(purposes)]
            config["purposes"] = {name: {"label": name} for name in names}
            config["services"] = [
                {"id": f"s-{name}", "vendor": "V", "purposes": [name], "hosts": [f"{name}.example"]} for name in names
            ]
        bench.ask = ask_wsgi(ConsentMiddleware(bench.app, config), scheme)
        return bench

    return made


def pairs(lines: Iterable[str]) -> str:
    """Return the Cookie header after these lines."""
    return "; ".join(line.partition(";")[0] for line in lines)


def told_by(lines: Iterable[str]) -> str:
    """Return the class in the readable cookie."""
    (value,) = (line.partition("=")[2].partition(";")[0] for line in lines if line.startswith("__Host-cmw-state="))
    return value


# -- shared


def test_everybody_gets_the_same_bytes(make: Make) -> None:
    """Choices, signals and cookies do not change a shared page, and it sets no cookies."""
    bench = make("shared")
    accepted, refused = pairs(bench.choose(ACCEPT)), pairs(bench.choose(REJECT))
    answers = [
        bench.get(),
        bench.get(accepted),
        bench.get(refused),
        bench.get(sec_gpc="1"),
        bench.get(f"{accepted}; _ga=1; _ga_X=2", sec_gpc="1"),
    ]
    assert [answer.body for answer in answers] == [answers[0].body] * len(answers)
    assert [answer.headers for answer in answers] == [answers[0].headers] * len(answers)
    assert HELD not in answers[0].body
    assert answers[0].headers == {
        "cache-control": ["public, max-age=600"],
        "content-type": ["text/html; charset=utf-8"],
        "etag": answers[0].headers["etag"],
        "expires": [DATE],
        "last-modified": [DATE],
    }


def test_a_page_that_the_application_keeps_private_takes_held_cookies_away(make: Make) -> None:
    """A private page can expire held cookies, depending on the visitor's choice."""
    bench = make("shared")
    bench.headers = [("Cache-Control", "private")]
    accepted = pairs(bench.choose(ACCEPT))
    assert "set-cookie" not in bench.get(f"{accepted}; _ga=1").headers
    assert any(line.startswith("_ga=;") for line in bench.get("_ga=1").headers["set-cookie"])


def test_what_is_no_whole_page_is_the_visitor_s_own(make: Make) -> None:
    """Fragments, frames, forms and plain http do not get a shared page."""
    bench = make("shared")
    cookie = pairs(bench.choose(ACCEPT))
    for more in ({"hx_request": "1", "sec_fetch_dest": ""}, {"sec_fetch_dest": "iframe"}, {"method": "POST"}):
        answer = bench.get(cookie, **more)
        assert (HELD in answer.body, answer.headers["cache-control"]) == (True, ["private, no-cache"]), more
    plain = make("shared", scheme="http")
    assert plain.get().headers["cache-control"] == ["private, no-cache"]


def test_a_view_is_told_of_nobody_s_choice(make: Make) -> None:
    """A view of a shared page does not see the first visitor's choice; a view of a POST sees that of its visitor."""
    bench = make("shared")
    cookie = pairs(bench.choose(ACCEPT))
    bench.get(cookie)
    bench.get(cookie, "POST")
    assert [current(environ).allows("hotjar") for environ in bench.environs] == [False, True]


@pytest.mark.parametrize("setting", [{"release": "reload"}, {"csp": "tighten"}, {"csp": "enforce"}])
def test_what_needs_another_page_after_a_choice_is_refused(setting: dict[str, str]) -> None:
    """There is only one page, so the mistake is reported at start-up."""
    (name,) = setting
    with pytest.raises(ConfigError) as caught:
        load({"site": {"caching": "shared", **setting}})
    assert [problem.where for problem in caught.value.problems] == [f"site.{name}"]
    load({"site": {"caching": "class", **setting}})


def test_the_state_takes_away_what_a_kept_page_cannot(make: Make) -> None:
    """The state response expires held cookies, and corrects a readable cookie with another value."""
    bench = make("shared")
    lines = bench.choose(REJECT)
    wrong = f"{lines[0].partition(';')[0]}; __Host-cmw-state=own-00000000; _ga=1"
    found = bench.ask("/_cmw/state", "GET", {"cookie": wrong}, b"").headers["set-cookie"]
    assert lines[1] in found
    assert any(line.startswith("_ga=;") for line in found)
    assert "set-cookie" not in bench.ask("/_cmw/state", "GET", {"cookie": pairs(lines)}, b"").headers


def test_the_page_says_what_the_banner_s_language_depends_on(make: Make) -> None:
    """With several languages, the page varies on the requested language."""
    bench = make("shared", languages=["en", "de"])
    assert bench.get().headers["vary"] == ["Accept-Language"]


# -- the readable cookie


def test_the_readable_cookie_goes_with_the_signed_one(make: Make) -> None:
    """It has the same lifetime and scope, but scripts can read it; a private site has none."""
    for caching, expected in (("private", 1), ("shared", 2), ("class", 2)):
        lines = make(caching).choose(ACCEPT)
        assert len(lines) == expected
    signed, readable = (line.partition("; ")[2] for line in lines)
    assert readable == signed.replace("; HttpOnly", "")


def test_equal_choices_are_of_one_class(make: Make) -> None:
    """Equal choices have the same class, and different choices different ones."""
    bench = make("class")
    choices: list[list[tuple[str, str]]] = [
        [ACCEPT],
        [REJECT],
        [("action", "save"), ("purpose", "analytics")],
        [("action", "save"), ("purpose", "marketing")],
        [("action", "save"), ("service", "hotjar")],
    ]
    classes = [[told_by(bench.choose(*fields)) for _ in range(2)] for fields in choices]
    assert all(one == other for one, other in classes)
    assert len({one for one, _ in classes}) == len(choices)
    assert classes[4][0].startswith("own-")


def test_beyond_five_purposes_only_all_or_nothing_is_a_class(make: Make) -> None:
    """The number of classes is limited, whatever an owner declares."""
    bench = make("class", purposes=6)
    found = {
        told_by(bench.choose(("action", "save"), *(("purpose", f"p{n}") for n in some))).partition("-")[0][:3]
        for size in (1, 5)
        for some in itertools.combinations(range(6), size)
    }
    assert found == {"own"}
    assert told_by(bench.choose(ACCEPT)).startswith("g")


# -- class


def test_a_page_for_a_class_is_what_its_visitors_granted(make: Make) -> None:
    """The cache sends the class; the page is cacheable for it, and says so."""
    bench = make("class")
    lines = bench.choose(ACCEPT)
    answer = bench.get(pairs(lines), x_cmw_class=told_by(lines))
    assert HELD in answer.body
    assert answer.headers == {
        "cache-control": ["public, max-age=0, s-maxage=600"],
        "content-type": ["text/html; charset=utf-8"],
        "etag": answer.headers["etag"],
        "vary": ["Cookie, Sec-GPC"],
        "x-cmw-class": [told_by(lines)],
    }
    assert bench.get(pairs(bench.choose(ACCEPT)), x_cmw_class="cookie").body == answer.body


def test_a_page_for_a_class_knows_of_no_receipt(make: Make) -> None:
    """Two accepting visitors get the same page, whatever a view does with the decision."""
    bench = make("class")
    lines = bench.choose(ACCEPT)
    bench.get(pairs(lines))
    bench.get(pairs(lines), x_cmw_class=told_by(lines))
    receipts = [current(environ).receipt for environ in bench.environs]
    assert (bool(receipts[0]), receipts[1]) == (True, "")


WRONG: dict[str, Callable[[list[str], list[str]], tuple[str, str]]] = {
    "the cookie of another": lambda me, other: (pairs([me[0], other[1]]), told_by(other)),
    "the cookie of another, by a cache that cannot compute": lambda me, other: (pairs([me[0], other[1]]), "cookie"),
    "no cookie": lambda me, other: (pairs(me[:1]), "none"),
    "no cookie, by a cache that cannot compute": lambda me, other: (pairs(me[:1]), "cookie"),
    "two cookies": lambda me, other: (pairs([*me, other[1]]), told_by(me)),
    "a cookie that is no class": lambda me, other: (f"{pairs(me[:1])}; __Host-cmw-state=%", "cookie"),
    "only the readable one": lambda me, other: (pairs(me[1:]), told_by(me)),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_where_the_cookies_disagree_the_page_is_kept_nowhere(
    make: Make, wrong: Callable[[list[str], list[str]], tuple[str, str]]
) -> None:
    """The signed choice decides the content of the page, and the readable cookie is corrected."""
    bench = make("class")
    me, other = bench.choose(ACCEPT), bench.choose(REJECT)
    cookie, name = wrong(me, other)
    answer = bench.get(cookie, x_cmw_class=name)
    assert answer.headers["cache-control"] == ["no-store, private, no-cache"]
    signed = me[0].partition(";")[0] in cookie
    assert (HELD in answer.body) is signed
    right = me[1] if signed else "__Host-cmw-state=; Path=/; Max-Age=0; SameSite=Lax; Secure"
    assert answer.headers["set-cookie"] == [right]


@pytest.mark.parametrize("name", ["none", "x", "reject-00000000", "none-gpc"])
def test_a_class_that_is_not_the_visitor_s_is_not_taken(make: Make, name: str) -> None:
    """The class that the cache keys on must be the one that the server computes."""
    bench = make("class")
    answer = bench.get(pairs(bench.choose(ACCEPT)), x_cmw_class=name)
    assert answer.headers["cache-control"] == ["no-store, private, no-cache"]


def test_the_signal_makes_a_class_of_its_own(make: Make) -> None:
    """A visitor with the opt-out signal does not get the page of a visitor without it."""
    bench = make("class")
    kept = [bench.get(sec_gpc=signal, x_cmw_class=name).headers["cache-control"] for signal, name in
            (("1", "none-gpc"), ("", "none"), ("1", "none"), ("", "none-gpc"))]  # fmt: skip
    public, nowhere = ["public, max-age=0, s-maxage=600"], ["no-store, private, no-cache"]
    assert kept == [public, public, nowhere, nowhere]


def test_a_signal_that_comes_later_changes_the_class(make: Make) -> None:
    """The class cookie of a choice without the signal is not valid under the signal."""
    bench = make("class")
    lines = bench.choose(ACCEPT)
    answer = bench.get(pairs(lines), sec_gpc="1", x_cmw_class=f"{told_by(lines)}-gpc")
    assert answer.headers["cache-control"] == ["no-store, private, no-cache"]
    right = told_by(answer.headers["set-cookie"])
    cookie = f"{lines[0].partition(';')[0]}; __Host-cmw-state={right}"
    again = bench.get(cookie, sec_gpc="1", x_cmw_class=f"{right}-gpc")
    assert again.headers["cache-control"] == ["public, max-age=0, s-maxage=600"]


# -- in every mode


@pytest.mark.parametrize(
    "header", [("Link", "<https://www.google-analytics.com>; rel=preconnect"), ("Set-Cookie", "_ga=1; Path=/")]
)
def test_a_file_whose_head_depends_on_the_choice_is_private(make: Make, header: tuple[str, str]) -> None:
    """A cached response for a granting visitor would connect or set a cookie for others; other files are cacheable."""
    bench = make("private")
    bench.kind, bench.body, bench.headers = "text/css", b"", [*TOLD, header]
    cookie = pairs(bench.choose(ACCEPT))
    for answer, there in ((bench.get(), False), (bench.get(cookie), True)):
        assert (header[0].lower() in answer.headers) is there
        assert answer.headers["cache-control"] == ["private, no-cache"]
        assert (answer.headers["etag"], "expires" in answer.headers) == (['"1"'], False)
    bench.headers = [*TOLD, ("Link", "</a.css>; rel=preload"), ("Set-Cookie", "own=1")]
    assert bench.get().headers["cache-control"] == ["public, max-age=600"]


@pytest.mark.parametrize(
    ("caching", "expected"),
    [
        ("private", {"cache-control": ["private, no-cache"], "vary": ["Cookie, Sec-GPC, Accept-Language"]}),
        ("shared", {"cache-control": ["public, max-age=600"], "expires": [DATE], "last-modified": [DATE]}),
        (
            "class",
            {
                "cache-control": ["public, max-age=0, s-maxage=600"],
                "vary": ["Cookie, Sec-GPC"],
                "x-cmw-class": ["none"],
            },
        ),
    ],
)
def test_304_says_what_the_page_would(make: Make, caching: str, expected: dict[str, list[str]]) -> None:
    """A cache may update its stored page with the headers of a 304 (RFC 9111, section 4.3.4)."""
    bench = make(caching)
    first = bench.get(x_cmw_class="none")
    again = bench.get(x_cmw_class="none", if_none_match=first.headers["etag"][0], if_modified_since=DATE)
    assert (again.status, again.body) == (304, b"")
    assert {name: value for name, value in again.headers.items() if name not in ("etag", "content-type")} == expected
    assert again.headers["etag"] == first.headers["etag"]
    assert bench.environs[-1]["HTTP_IF_NONE_MATCH"] == '"1"'
    assert "HTTP_IF_MODIFIED_SINCE" not in bench.environs[-1]


@pytest.mark.parametrize("caching", ["private", "shared", "class"])
def test_a_page_with_nothing_but_a_date_is_asked_for_by_it(make: Make, caching: str) -> None:
    """The date is part of an ETag with the variant; the date alone would validate another variant."""
    bench = make(caching)
    bench.headers = [("Last-Modified", DATE)]
    tag = bench.get(x_cmw_class="none").headers["etag"][0]
    assert bench.get(x_cmw_class="none", if_none_match=tag, if_modified_since=DATE).status == 304
    assert bench.get(x_cmw_class="none", if_modified_since=DATE).status == 200
    if caching != "shared":
        assert bench.get(pairs(bench.choose(ACCEPT)), x_cmw_class="cookie", if_none_match=tag).status == 200


@pytest.mark.parametrize("caching", ["private", "shared", "class"])
def test_head_tells_what_get_would(make: Make, caching: str) -> None:
    """HEAD has the same headers, without a length that was not computed."""
    bench = make(caching)
    asked = [bench.get(x_cmw_class="none", method=method) for method in ("GET", "HEAD")]
    assert asked[0].headers == asked[1].headers
    assert asked[1].body == b""


@pytest.mark.parametrize("caching", ["private", "shared", "class"])
def test_a_page_fetched_ahead_sets_no_cookie_beyond_what_it_takes_away(make: Make, caching: str) -> None:
    """It is held like any other page (Sec-Purpose); a choice made before it is shown is looked up then."""
    bench = make(caching)
    answer = bench.get(sec_purpose="prefetch;prerender", x_cmw_class="none")
    assert HELD not in answer.body
    assert b"data-cmw-banner=" in answer.body
    assert "set-cookie" not in answer.headers
