"""
Filter lists hide and block common names of notices, so our names in a page are not of that kind.
"""

from __future__ import annotations

import re

import pytest

from consent_mw import config
from consent_mw.core.choice import Decision
from consent_mw.core.choice import Reason
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage

_NAMES = re.compile(r'\s(?:class|id|for|aria-labelledby)="([^"]*)"')
_DATA = re.compile(r"\s(data-[\w-]+)=")
_ADDRESSES = re.compile(r'\s(?:src|href|action)="([^"]*)"')
_SELECTORS = re.compile(r"[.#]([A-Za-z][\w-]*)(?=[^{}]*\{)")


def inserted(layout: str, *, prompt: bool, inline: bool) -> str:
    """Return the markup that is inserted into a page."""
    site = config.load({"site": {"layout": layout, "name": "Shop"}, "services": [{"use": "google-analytics"}]})
    decision = Decision(frozenset(), frozenset(), prompt=prompt, reason=Reason.ABSENT, gpc=False)
    page = NoticePage(decision=decision, lang="en", nonce="", back="/", root=site.mount, inline=inline)
    notice = Notice(site, Assets())
    return (notice.head(page) + notice.insertion(page)).decode("ascii")


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "linked"])
@pytest.mark.parametrize("prompt", [True, False], ids=["undecided", "decided"])
@pytest.mark.parametrize("layout", ["bar", "corner", "dialog"])
def test_every_name_in_a_page_begins_with_ours(layout: str, prompt: bool, inline: bool) -> None:
    """Classes, ids, data attributes and selectors begin with ``cmw``, addresses with the mount."""
    markup = inserted(layout, prompt=prompt, inline=inline)
    style = "".join(re.findall(r"<style[^>]*>(.*?)</style>", markup, re.DOTALL))
    outside = re.sub(r"(<(script|style)[^>]*>).*?(?=</\2>)", r"\1", markup, flags=re.DOTALL)
    names = {name for value in _NAMES.findall(outside) for name in value.split()} | set(_SELECTORS.findall(style))
    assert {name for name in names if not name.startswith("cmw-")} == set()
    # Exception: search engines do not quote the content of an element with data-nosnippet.
    assert {name for name in _DATA.findall(outside) if not name.startswith("data-cmw-")} == {"data-nosnippet"}
    assert {address for address in _ADDRESSES.findall(outside) if not address.startswith("/_cmw/")} == set()
    assert len(names) > (10 if prompt else 0)
