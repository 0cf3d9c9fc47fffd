"""The list of hosts in a page: what it holds, in which order, within which bounds."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw import catalogue
from consent_mw import config
from consent_mw.core.choice import Decision
from consent_mw.core.choice import Reason
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.html.match import Matcher
from consent_mw.html.urls import Url
from consent_mw.notice import guard as guarding
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.guard import COMMON
from consent_mw.notice.guard import NO_HOSTS
from consent_mw.notice.guard import UNASKED
from consent_mw.notice.guard import GuardCode
from consent_mw.notice.guard import host_list
from tests.web.doubles import ASSETS

NOTHING = frozenset[str]()


def declaring(*ids: str, **settings: object) -> Site:
    """Return the site of an owner who declared these services of the catalogue."""
    return config.load({"site": settings, "services": [{"use": id_} for id_ in ids]})


def hosts(*ids: str, granted: frozenset[str] = NOTHING) -> str:
    """Return the list in the pages of a visitor of that site."""
    return GuardCode(declaring(*ids), ASSETS).hosts(granted)


def verdict(text: str, host: str, rest: str, page: str = "page.example") -> frozenset[str]:
    """Return what must be granted, as static/guard.js finds it."""
    for group in text.split(" "):
        ids, _, pattern = group.partition("=")
        regex = pattern.replace(".", r"\.").replace("[^]", r"[\s\S]")
        found = re.match(rf"([^/]*\.)?({regex})", host + rest)
        if found and found.group() != f"{page}/":
            return frozenset(filter(None, ids.split(",")))
    return NOTHING


def without(text: str, granted: frozenset[str]) -> str:
    """Return a list less what is granted, as static/hosts.js takes it out."""
    groups = [group.partition("=") for group in text.split(" ")]
    return " ".join(f"{','.join(set(ids.split(',')) - granted)}={pattern}" for ids, _, pattern in groups)


def page(granted: frozenset[str] = NOTHING, **settings: bool | str) -> NoticePage:
    """Return a page of a visitor who is asked unless something is granted."""
    decision = Decision(granted, NOTHING, not granted, Reason.CHOSEN if granted else Reason.ABSENT)
    return replace(NoticePage(decision, "en", "", "/", "/_cmw"), **settings)  # type: ignore[arg-type]


def service(id_: str, *hosts: str, paths: tuple[str, ...] = (), purpose: str = "analytics") -> Service:
    """Return a service with these rules."""
    return Service(id=id_, name=id_, vendor=id_, purposes=(purpose,), hosts=hosts, paths=paths)


# -- what is listed


def test_declared_services_are_listed_until_they_are_granted() -> None:
    """An address of a granted service may load, one of the others waits for it."""
    for granted, expected in ((NOTHING, {"hotjar"}), (frozenset({"hotjar"}), set())):
        found = hosts("hotjar", "youtube", granted=granted)
        assert verdict(found, "static.hotjar.com", "/c/hotjar-1.js") == expected
        assert verdict(found, "www.youtube.com", "/embed/x") == {"youtube"}


def test_common_trackers_are_listed_although_nobody_declared_them() -> None:
    """They wait for something that no visitor can grant, as tags in the HTML do."""
    assert verdict(hosts("youtube"), "www.google-analytics.com", "/g/collect") == {UNASKED}


def test_declared_services_come_before_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little room there is, what the owner asks about is listed whole."""
    monkeypatch.setattr(guarding, "BUDGET", 0)
    found = hosts("hotjar")
    assert verdict(found, "hotjar.io", "/") == {"hotjar"}
    assert UNASKED not in {group.partition("=")[0] for group in found.split(" ")}


def test_the_list_keeps_to_its_budget() -> None:
    """Common trackers fill the list up to its bound, give or take a group's name, and no further."""
    size = len(zlib.compress(hosts("youtube", "vimeo").encode(), 9))
    assert guarding.BUDGET - 40 < size < guarding.BUDGET + 40


def test_common_hosts_are_those_of_trackers_in_the_catalogue() -> None:
    """Each is a rule of a service that may never be necessary, so that no site's own work is held unasked."""
    owners = {host: service for service in catalogue.load().values() for host in service.hosts}
    assert [host for host in COMMON if host not in owners or not owners[host].tracker] == []


def test_a_granted_path_may_load_from_a_held_host() -> None:
    """Statistics granted, the tag manager on the same host not: each address gets its own verdict."""
    found = hosts("google-analytics", "google-tag-manager", granted=frozenset({"google-analytics"}))
    assert verdict(found, "www.googletagmanager.com", "/gtag/js?id=G-1") == set()
    assert verdict(found, "www.googletagmanager.com", "/gtm.js?id=GTM-1") == {"google-tag-manager"}


def test_what_is_necessary_may_load_from_a_held_host() -> None:
    """Payment goes on where the marketing of the same vendor is held."""
    found = hosts("paypal-marketing")
    assert verdict(found, "www.paypal.com", "/sdk/js?client-id=x") == set()


def test_two_services_on_one_address_are_both_needed() -> None:
    """An address that two declared services share waits for both."""
    found = host_list([service("a", "shared.example"), service("b", "shared.example")], NOTHING)
    assert verdict(found, "shared.example", "/") == {"a", "b"}


def test_a_list_can_be_read_back() -> None:
    """No rule, whatever is in it, breaks the list apart, and each group is a pattern that compiles."""
    odd = host_list([service("odd", "odd.example/a+b(c)[d]{e}|f^g$h*i\\j?k=l&m,n;o<p>\"q'r")], NOTHING)
    assert verdict(odd, "odd.example", "/a+b(c)[d]{e}|f^g$h*i\\j?k=l&m,n;o<p>\"q'r/s") == {"odd"}
    everything = replace(declaring("hotjar"), services=tuple(catalogue.load().values()))
    for group in GuardCode(everything, ASSETS).hosts(NOTHING).split(" "):
        re.compile(group.partition("=")[2].replace(".", r"\.").replace("[^]", r"[\s\S]"))


# -- whether there is a guard


def test_no_guard_where_everything_is_granted() -> None:
    """The page of who accepted all stays as the site made it."""
    code = GuardCode(declaring("hotjar"), ASSETS)
    assert code.markup(page(frozenset({"hotjar"}))) == b""


def test_no_guard_where_nothing_is_asked() -> None:
    """A site that declares nothing gets nothing."""
    assert GuardCode(config.load({}), ASSETS).markup(page()) == b""


def test_an_owner_may_do_without() -> None:
    """guard = false leaves it out."""
    assert GuardCode(declaring("hotjar", guard=False), ASSETS).markup(page()) == b""


@pytest.mark.parametrize("caching", ["shared", "class"])
def test_the_key_of_a_page_that_caches_keep_is_always_guarded(caching: str) -> None:
    """guard = false leaves out the hosts alone; where everything is granted nothing is left to guard."""
    code = GuardCode(declaring("hotjar", guard=False, caching=caching), ASSETS)
    assert code.markup(page()).startswith(f'<script data-cmw-hosts="{NO_HOSTS}">'.encode())
    assert code.markup(page(frozenset({"hotjar"}))) == b""


def test_the_code_stands_in_the_page_of_who_is_asked() -> None:
    """There it costs no request; who has decided gets a link to code and list, which a browser keeps."""
    code = GuardCode(declaring("hotjar", "youtube"), ASSETS)
    decided = frozenset({"youtube"})
    link = f'src="/_cmw/{ASSETS.path("guard.js")}"></script>'.encode()
    kept = f'<script data-cmw-hosts="" data-cmw-granted="youtube" src="/_cmw/{code.file[0]}"></script>'
    assert code.markup(page()).endswith(ASSETS.read("guard.js") + b"</script>")
    assert code.markup(page(decided)) == kept.encode()
    assert code.markup(page(xml=True)).endswith(link)
    assert code.markup(page(inline=False)).endswith(link)
    assert code.markup(page(decided, linked=False)).endswith(ASSETS.read("guard.js") + b"</script>")
    assert code.markup(page(inline=False, linked=False)) == b""


def test_the_markup_is_escaped() -> None:
    """Neither a nonce nor a rule ends the attribute that it stands in."""
    site = replace(declaring("hotjar"), services=(service("odd", 'odd.example/"><script>'),))
    found = GuardCode(site, ASSETS).markup(page(nonce='"><b>'))
    assert (b'"><b>' in found, b'"><script>' in found) == (False, False)
    assert 'nonce=""><b>"' in unescape(found.decode())


def test_the_code_can_stand_in_any_page() -> None:
    """It is ASCII, and nothing in it ends or hides the element that holds it."""
    code = ASSETS.read("guard.js")
    assert code.isascii()
    assert not re.search(rb"</script|<!--", code, re.IGNORECASE)


def test_the_file_of_later_visits_lists_everything() -> None:
    """It has what every visitor could be held from, each common tracker too, and is the same for all of them."""
    path, content = GuardCode(declaring("hotjar", "youtube"), ASSETS).file
    found = re.search(rb'"([^"]*)"\.split\(" "\)', content)
    assert found is not None
    assert content.endswith(ASSETS.read("guard.js"))
    text = found[1].decode().replace(r"\\", "\\")
    assert [host for host in COMMON if verdict(text, *read(host)) == NOTHING] == []
    assert [verdict(text, host, "/") for host in ("hotjar.com", "youtube.com")] == [
        frozenset({"hotjar"}),
        frozenset({"youtube"}),
    ]
    assert GuardCode(declaring("youtube", "hotjar"), ASSETS).file[0] == path


def read(rule: str) -> tuple[str, str]:
    """Return the host of a rule, and its path with something after it."""
    host, _, path = rule.partition("/")
    return host, f"/{path}x"


# -- the verdict

LABELS = st.sampled_from(["a", "b", "www", "example", "shop"])
SUFFIXES = st.sampled_from(["com", "net", "de", "co.uk", "com.tr", "io"])
NAMES = st.builds(lambda labels, end: ".".join([*labels, end]), st.lists(LABELS, min_size=1, max_size=3), SUFFIXES)
STARS = st.builds(lambda labels: ".".join([*labels, "*"]), st.lists(LABELS, min_size=1, max_size=2))
PATHS = st.sampled_from(["/", "/a", "/a/b", "/a/b.js", "/tr?", "/tr?id=", "/a?x=1", "/b"])
RULES = st.builds(lambda host, path: host + path, st.one_of(NAMES, STARS), st.sampled_from(["", "/a", "/a/b", "/tr?"]))
SERVICES = st.lists(st.tuples(st.lists(RULES, min_size=1, max_size=4), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=300)
@example([(["a.com"], False), (["a.*"], False)], [("a.com", "/")], "b.com")
@example([(["b.com", "a.com"], False), (["www.a.com"], False)], [("www.a.com", "/")], "b.com")
@example([(["a.co.uk"], False), (["www.a.*"], False)], [("www.a.co.uk", "/")], "b.com")
@example([(["a.com"], False), (["a.a.*"], True)], [("a.a.com", "/")], "b.com")
@example([(["b.com", "a.b.*"], False)], [("a.b.net", "/")], "b.com")
@given(SERVICES, st.lists(st.tuples(NAMES, PATHS), min_size=1, max_size=20), NAMES)
def test_the_verdict_is_that_of_the_matcher(
    rules: list[tuple[list[str], bool]], addresses: list[tuple[str, str]], own: str
) -> None:
    """
    For any rules, the list asks for what the matcher finds for the same address, less what may run.

    The same goes for the list of everybody, once what is granted was taken out of it.
    """
    services = [service(f"s{number}", *hosts) for number, (hosts, _) in enumerate(rules)]
    allowed = frozenset(f"s{number}" for number, (_, runs) in enumerate(rules) if runs)
    found = host_list(services, allowed)
    kept = without(host_list(services, NOTHING), allowed)
    matcher = Matcher(services)
    for host, rest in addresses:
        expected = frozenset(matcher.resolved(Url("https", host, rest), own)) - allowed
        if found:
            assert (host, rest, verdict(found, host, rest, own)) == (host, rest, expected)
            assert (host, rest, verdict(kept, host, rest, own)) == (host, rest, expected)
        else:
            assert len(allowed) == len(services)
