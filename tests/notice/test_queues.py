"""What stands in the place of a held script's globals: which, for whom, and how it is said."""

from __future__ import annotations

import re

import pytest

from consent_mw import catalogue
from consent_mw.core.choice import Decision
from consent_mw.core.choice import Reason
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.queues import QueueCode

CODE = QueueCode(catalogue.load(), Assets())


def page(*granted: str, prompt: bool = True, inline: bool = True, linked: bool = True, xml: bool = False) -> NoticePage:
    """Return a page of a visitor who granted these services."""
    decision = Decision(frozenset(granted), frozenset(), prompt, Reason.ABSENT)
    return NoticePage(decision, "en", "n1", "/", "/_cmw", inline=inline, linked=linked, xml=xml)


def words(markup: bytes) -> str:
    """Return what the attribute says."""
    found = re.search(rb"data-cmw-queue='([^']*)'", markup)
    return found.group(1).decode() if found else ""


NAMED = {
    "meta-pixel": "meta-pixel fbq",
    "google-tag-manager": "google-tag-manager dataLayer[]",
    "matomo": "matomo _paq[] _mtm[]",
    "adroll": "adroll adroll=track,identify,setProperties",
}


@pytest.mark.parametrize("id_", NAMED)
def test_the_globals_of_a_service_are_named(id_: str) -> None:
    """Lists, functions and methods are told apart, and methods stand behind their object."""
    assert words(CODE.markup(page(), [id_])) == NAMED[id_]


@pytest.mark.parametrize("ids", [[], ["google-fonts"], ["unknown"], ["analytics"]])
def test_where_nobody_calls_anything_nothing_is_left(ids: list[str]) -> None:
    """A service without such globals costs no byte, nor does a purpose or a stranger."""
    assert CODE.markup(page(), ids) == b""


def test_a_library_has_a_stand_in_of_its_own() -> None:
    """The script that stands in for a library comes first: a queue stands next to its script."""
    markup = CODE.markup(page(linked=True, inline=False), ["google-maps"])
    assert markup.startswith(b"<script data-cmw-library='google-maps google.maps' ") and b"data-cmw-queue" not in markup
    both = CODE.markup(page(), ["google-maps", "matomo"])
    assert both.index(b"data-cmw-library='google-maps,matomo google.maps'") < both.index(b"data-cmw-queue=")


def test_a_list_that_a_running_service_uses_is_left_alone() -> None:
    """What Google Analytics, which runs, has in its layer is not taken out when the tag manager is granted."""
    assert words(CODE.markup(page("google-analytics"), ["google-tag-manager"])) == "google-tag-manager !dataLayer[]"


def test_what_a_call_gives_back_has_methods() -> None:
    """Methods of an object that a function or a method returns stand behind its call."""
    said = words(CODE.markup(page(), ["kakao-pixel"])) + words(CODE.markup(page(), ["mixpanel"]))
    assert " kakaoPixel().pageView " in said
    assert ",get_group().set," in said


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("(function(w,d,s,l){w[l]=w[l]||[]})(window,document,'script','shopLayer','GTM-ABC');", "shopLayer[]"),
        ('!function(w,l){w[l]=w[l]||[]}(window,"shopLayer")', "shopLayer[]"),
        ("(function(w,d,s,l){w[l]=w[l]||[]})(window,document,'script','dataLayer','GTM-ABC');", ""),
        ("(function(w,d,s,u){load(u)})(window,document,'script','https://example.org/');", ""),
    ],
)
def test_a_snippet_leaves_what_its_owner_named_anew(code: str, name: str) -> None:
    """The name stands among the arguments of the snippet's function; the usual one is no other."""
    assert words(CODE.markup(page(), ["google-tag-manager"], code)) == f"google-tag-manager dataLayer[] {name}".rstrip()


def test_a_function_that_a_script_only_defines_is_called_once() -> None:
    """It is marked, so that several calls of it become one."""
    assert words(CODE.markup(page(), ["youtube"], "function go(){ load() }")) == "youtube ?go"


def test_code_that_stands_in_the_page_has_its_nonce_and_no_address() -> None:
    """A visitor who has not decided asks for no further file."""
    markup = CODE.markup(page(), ["meta-pixel"])
    assert b"nonce='n1'" in markup
    assert b" src=" not in markup


@pytest.mark.parametrize("how", [{"prompt": False}, {"inline": False}, {"xml": True}])
def test_code_is_linked_for_who_comes_back_and_where_it_may_not_stand_in_the_page(how: dict[str, bool]) -> None:
    """For them it is a file that the browser keeps."""
    assert re.search(rb" src='/_cmw/assets/queue\.[0-9a-f]{8}\.js'></script>", CODE.markup(page(**how), ["meta-pixel"]))


def test_where_neither_may_be_there_is_nothing() -> None:
    """A policy that lets nothing of ours in gets nothing of ours."""
    assert CODE.markup(page(inline=False, linked=False), ["meta-pixel"]) == b""
