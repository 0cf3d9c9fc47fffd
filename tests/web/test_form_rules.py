"""What a form means and where a request comes from: rules, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode
from urllib.parse import urljoin
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.choice import Action
from consent_mw.core.choice import Choice
from consent_mw.core.model import Site
from consent_mw.http.request import RequestHead
from consent_mw.web.form import Origin
from consent_mw.web.form import PostedForm
from consent_mw.web.form import RequestedAction
from consent_mw.web.form import choice_of
from consent_mw.web.form import grants
from consent_mw.web.form import origin_of
from consent_mw.web.form import read_form
from consent_mw.web.form import safe_back
from consent_mw.web.form import to_expire
from tests.web.doubles import SITE

IDS = st.sampled_from(
    [
        "counter",
        "heatmap",
        "pixel",
        "video",
        "pay",
        "nobody",
        "analytics",
        "marketing",
        "embeds",
        "preferences",
        "necessary",
    ]
)


def form(
    asked: RequestedAction | None, purposes: set[str] | None = None, services: set[str] | None = None
) -> PostedForm:
    """Return a form with the fields."""
    return PostedForm(asked, frozenset(purposes or ()), frozenset(services or ()), "", "")


def choose(
    asked: RequestedAction, purposes: set[str] | None = None, services: set[str] | None = None, **how: bool
) -> Choice:
    """Return what the form chooses on the shop's site."""
    settings = {"gpc": False, "granted_before": False, **how}
    chosen = choice_of(SITE, form(asked, purposes, services), **settings)
    assert chosen is not None
    return chosen


def head(host: str = "shop.example", scheme: str = "https", **headers: str) -> RequestHead:
    """Return a POST with the headers; the names have underscores."""
    told = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return RequestHead("POST", scheme, host, "/_cmw/choice", "", told)


def test_accept_all_grants_everything_declared() -> None:
    """All purposes that are used and all services that need consent are granted."""
    assert choose(RequestedAction.ACCEPT_ALL) == Choice(
        Action.ACCEPT,
        frozenset({"analytics", "marketing", "embeds"}),
        frozenset({"counter", "heatmap", "pixel", "video"}),
    )


def test_accept_all_under_the_signal_leaves_marketing_out() -> None:
    """Under GPC neither the purpose nor any service that has it is granted."""
    assert choose(RequestedAction.ACCEPT_ALL, gpc=True) == Choice(
        Action.PARTIAL, frozenset({"analytics", "embeds"}), frozenset({"counter", "video"})
    )


def test_an_explicit_tick_counts_under_the_signal() -> None:
    """In the preferences a visitor may switch marketing on in spite of the signal."""
    chosen = choose(RequestedAction.SAVE, {"marketing"}, gpc=True)
    assert chosen == Choice(Action.PARTIAL, frozenset({"marketing"}), frozenset({"pixel"}))


def test_reject_all_grants_nothing_whatever_is_ticked() -> None:
    """Ticks beside a refusal mean nothing."""
    assert choose(RequestedAction.REJECT_ALL, {"analytics"}, {"pixel"}) == Choice(Action.REJECT)


def test_refusing_what_was_granted_is_a_withdrawal() -> None:
    """The same click counts as a withdrawal where something had been granted, by whatever button."""
    chosen = [
        choose(asked, granted_before=True).action
        for asked in (RequestedAction.REJECT_ALL, RequestedAction.WITHDRAW, RequestedAction.SAVE)
    ]
    assert chosen == [Action.WITHDRAW] * 3


def test_withdrawing_nothing_is_a_refusal() -> None:
    """Who had granted nothing and withdraws is like anybody who refuses."""
    assert choose(RequestedAction.WITHDRAW) == Choice(Action.REJECT)


def test_a_ticked_purpose_grants_the_services_that_need_no_other() -> None:
    """A service that has another purpose too waits for that one."""
    assert choose(RequestedAction.SAVE, {"analytics"}) == Choice(
        Action.PARTIAL, frozenset({"analytics"}), frozenset({"counter"})
    )


def test_all_purposes_of_a_service_grant_it() -> None:
    """A service with two purposes is granted when both are ticked."""
    assert choose(RequestedAction.SAVE, {"analytics", "marketing"}).services == {"counter", "heatmap", "pixel"}


def test_a_ticked_service_is_granted_by_itself() -> None:
    """One service can be granted without its purpose."""
    assert choose(RequestedAction.SAVE, set(), {"pixel"}) == Choice(Action.PARTIAL, frozenset(), frozenset({"pixel"}))


def test_a_purpose_counts_when_all_its_services_are_ticked() -> None:
    """Ticking one by one comes to the same as ticking the purpose."""
    assert choose(RequestedAction.SAVE, set(), {"counter", "heatmap"}).purposes == {"analytics"}


def test_ticking_everything_is_accepting() -> None:
    """All services ticked one by one are an acceptance of all."""
    every = {service.id for service in SITE.optional}
    assert choose(RequestedAction.SAVE, set(), every) == choose(RequestedAction.ACCEPT_ALL)


def test_an_unknown_action_chooses_nothing() -> None:
    """No action, no choice."""
    assert choice_of(SITE, form(None, {"analytics"}), gpc=False, granted_before=True) is None


def test_a_site_without_optional_services_can_grant_nothing() -> None:
    """Where nothing needs consent, accepting all leaves no grant behind."""
    empty: Site = replace(SITE, services=())
    assert choice_of(empty, form(RequestedAction.ACCEPT_ALL), gpc=False, granted_before=False) == Choice(Action.REJECT)


@given(
    st.sampled_from(RequestedAction), st.sets(IDS | st.text()), st.sets(IDS | st.text()), st.booleans(), st.booleans()
)
def test_nothing_undeclared_or_unasked_is_ever_granted(
    asked: RequestedAction, purposes: set[str], services: set[str], gpc: bool, before: bool
) -> None:
    """Grants are declared, optional, and follow from the form by the rule of union."""
    chosen = choose(asked, purposes, services, gpc=gpc, granted_before=before)
    by_id = {service.id: service for service in SITE.optional}
    assert chosen.services <= by_id.keys()
    assert chosen.purposes <= {"analytics", "marketing", "embeds"}
    assert bool(chosen.services or chosen.purposes) == (chosen.action in (Action.ACCEPT, Action.PARTIAL))
    if asked is RequestedAction.SAVE:
        for id, service in by_id.items():
            assert (id in chosen.services) == (id in services or purposes.issuperset(service.purposes))
    elif asked is not RequestedAction.ACCEPT_ALL:
        assert chosen.services == frozenset()


@given(st.binary(max_size=4096))
def test_any_body_is_a_form(body: bytes) -> None:
    """Reading a body never raises."""
    read_form(body)


def test_too_many_fields_are_no_form() -> None:
    """A body of nothing but separators and short names is not worked through."""
    assert read_form(b"a=1&" * 4000) == PostedForm(None, frozenset(), frozenset(), "", "")


def test_the_first_action_counts() -> None:
    """A button that is posted twice does not let the second one win."""
    assert read_form(b"action=reject-all&action=accept-all").asked is RequestedAction.REJECT_ALL


def test_fields_are_read() -> None:
    """Repeated purposes and services are all kept, back and lang once."""
    fields = [
        ("action", "save"),
        ("purpose", "a"),
        ("purpose", "b"),
        ("service", "c"),
        ("back", "/x?y=1"),
        ("lang", "de"),
    ]
    expected = PostedForm(RequestedAction.SAVE, frozenset({"a", "b"}), frozenset({"c"}), "/x?y=1", "de")
    assert read_form(urlencode(fields).encode()) == expected


@pytest.mark.parametrize(
    ("asked", "ticked", "expected"),
    [
        (RequestedAction.ACCEPT_ALL, set(), True),
        (RequestedAction.SAVE, {"x"}, True),
        (RequestedAction.SAVE, set(), False),
        (RequestedAction.REJECT_ALL, {"x"}, False),
        (RequestedAction.WITHDRAW, {"x"}, False),
        (None, {"x"}, False),
    ],
)
def test_what_could_grant(asked: RequestedAction | None, ticked: set[str], expected: bool) -> None:
    """Only accepting, or saving with something ticked, can grant."""
    assert grants(form(asked, ticked)) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"sec_fetch_site": "same-origin"}, Origin.SAME),
        ({"sec_fetch_site": "none"}, Origin.SAME),
        ({"sec_fetch_site": "same-site"}, Origin.FOREIGN),
        ({"sec_fetch_site": "cross-site"}, Origin.FOREIGN),
        ({"sec_fetch_site": ""}, Origin.FOREIGN),
        ({"sec_fetch_site": "same-origin, cross-site"}, Origin.FOREIGN),
        ({"sec_fetch_site": "cross-site", "origin": "https://shop.example"}, Origin.FOREIGN),
        ({"sec_fetch_site": "same-origin", "origin": "null"}, Origin.SAME),
        ({"origin": "https://shop.example"}, Origin.SAME),
        ({"origin": "HTTPS://SHOP.example:443"}, Origin.SAME),
        ({"origin": "http://shop.example"}, Origin.FOREIGN),
        ({"origin": "https://shop.example:8443"}, Origin.FOREIGN),
        ({"origin": "https://shop.example.evil.example"}, Origin.FOREIGN),
        ({"origin": "https://shop.example/path"}, Origin.FOREIGN),
        ({"origin": "https://shop.example@evil.example"}, Origin.FOREIGN),
        ({"origin": "null"}, Origin.UNTOLD),
        ({"origin": " null "}, Origin.UNTOLD),
        ({"origin": "null/"}, Origin.FOREIGN),
        ({"sec_fetch_site": "cross-site", "origin": "null"}, Origin.FOREIGN),
        ({"origin": ""}, Origin.FOREIGN),
        ({}, Origin.UNTOLD),
        ({"referer": "https://shop.example/"}, Origin.UNTOLD),
    ],
)
def test_where_a_request_comes_from(headers: Mapping[str, str], expected: Origin) -> None:
    """Sec-Fetch-Site first, then Origin in full; a foreign or unreadable one is foreign, silence is untold."""
    assert origin_of(head(**headers)) is expected


@pytest.mark.parametrize(
    ("host", "scheme", "origin"),
    [
        ("localhost:5000", "http", "http://localhost:5000"),
        ("[::1]:5000", "http", "http://[::1]:5000"),
        ("shop.example:443", "https", "https://shop.example"),
        ("shop.example:80", "http", "http://shop.example"),
    ],
)
def test_ports_are_part_of_the_origin(host: str, scheme: str, origin: str) -> None:
    """The port of the Host header counts, and the default one need not be written."""
    assert origin_of(head(host, scheme, origin=origin)) is Origin.SAME


def test_an_unreadable_host_matches_no_origin() -> None:
    """Where the request's own host cannot be read, an equally odd Origin does not pass."""
    assert origin_of(head("shop.example/x", origin="https://shop.example/x")) is Origin.FOREIGN


@given(st.text(), st.text())
def test_any_origin_gets_an_answer(host: str, origin: str) -> None:
    """Whatever stands in the headers, the answer is one of three and nothing raises."""
    assert origin_of(head(host, origin=origin)) in Origin


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/prints",
        "/prints?size=20&frame=oak",
        "/a/../b",
        "/%C3%A9?q=%20",
        "/x#part",
        "/_cmw/",
        "/_cmw/choices",
        "/_cmw/receipt?back=/",
        "/_cmw/receipt/notice",
        "/a//b",
    ],
)
def test_paths_of_the_site_are_kept(path: str) -> None:
    """A path of the site is where the visitor came from and goes back to."""
    assert safe_back(path, "/_cmw", "/") == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "prints",
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "/a\\b",
        "/\t/evil.example/",
        "/\n/evil.example/",
        "/%2Fevil.example/%2e%2e/x/..//evil",
        "/a\r\nSet-Cookie: x=y",
        "/a b",
        "/\x00",
        "/\ud800",
        "javascript:alert(1)",
        "/_cmw/choice",
        "/_cmw/choice?x",
        "/_cmw/counting",
        "/_cmw/receipt/erase",
        "/_cmw/./choice",
        "/x/../_cmw/choice/",
        "/_cmw/%63hoice",
        "/" + "a" * 3000,
        "//[",
    ],
)
def test_other_places_are_not(path: str) -> None:
    """Another host, a control character, an endless path or what only takes forms lead to the site's first page."""
    assert safe_back(path, "/_cmw", "/home") == "/home"


def test_letters_outside_ascii_are_encoded() -> None:
    """A path typed with an accent becomes one that a header can hold."""
    assert safe_back("/café?q=thé", "/_cmw", "/") == "/caf%C3%A9?q=th%C3%A9"


@given(st.text(max_size=60) | st.text(alphabet="/\\.:%25eEvil\t\n@#?c", max_size=40).map("/".__add__))
def test_no_text_leads_to_another_host(text: str) -> None:
    """Whatever is asked for, the place to go to is a path that resolves to this host, in printable ASCII."""
    target = safe_back(text, "/_cmw", "/")
    assert target.startswith("/")
    assert not target.startswith("//")
    assert target.isascii()
    assert target.isprintable()
    assert "\\" not in target
    assert urlsplit(urljoin("https://shop.example/_cmw/choice", target)).netloc == "shop.example"


def test_cookies_of_stopped_services_go() -> None:
    """Names are matched by the globs of what may not run; others of the site stay."""
    names, services = to_expire(SITE, frozenset({"video"}), ["_vc", "_vc_9", "_vcx", "session", "__pay", "_ap"])
    assert names == ["_vc", "_vc_9", "_ap"]
    assert [service.id for service in services] == ["counter", "heatmap", "pixel"]


def test_a_cookie_shared_with_a_running_service_stays() -> None:
    """Two services of one vendor use one cookie: it goes with the last of them."""
    assert to_expire(SITE, frozenset({"pixel"}), ["_shared"])[0] == []
    assert to_expire(SITE, frozenset(), ["_shared"])[0] == ["_shared"]
