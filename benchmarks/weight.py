"""
The bytes that the notice adds to a page, by part, for a visitor who has not chosen and for two who have.

The parts are compressed separately, and all of them together. The total is what matters, since the parts share words.
Files are those that a page requests once and that browsers then cache.
"""

from __future__ import annotations

import re

import brotli

from consent_mw import config
from consent_mw.core.choice import Action
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage

#: The services of a shop that advertises.
SERVICES = (
    *("google-analytics", "meta-pixel", "youtube", "clarity", "google-tag-manager", "google-ads", "hotjar"),
    *("linkedin-insight", "tiktok-pixel", "google-maps"),
)
VISITORS = ("undecided", "refused", "accepted")
PARTS = ("banner and control", "style", "runtime", "guard and its list", "signals")
HEAD = ("bytes, brotli 11", *VISITORS)

_TODAY = 20_779
_ELEMENT = re.compile(rb"<(style|script)\b([^>]*)>.*?</\1>|<(link)\b[^>]*>", re.DOTALL)
_SOURCE = re.compile(rb'(?:src|href)="/_cmw/(assets/[^"]+)"')
_OF = {b"data-cmw-runtime": "runtime", b"data-cmw-hosts": "guard and its list", b"data-cmw-on": "signals"}


def weight(text: bytes) -> int:
    """Return the size after the best compression with brotli."""
    return len(brotli.compress(text, quality=11)) if text else 0


def insertions(visitor: str, assets: Assets) -> tuple[bytes, Notice]:
    """Return everything that is inserted into a page for one of VISITORS, and the notice that inserts it."""
    settings = {"name": "Shop", "privacy_policy": "/privacy", "languages": ["en"]}
    site = config.load({"site": settings, "services": [{"use": service} for service in SERVICES]})
    purposes = frozenset(purpose for service in site.optional for purpose in service.purposes)
    records: dict[str, Record | NoRecord] = {
        "undecided": NoRecord.ABSENT,
        "refused": Record(Action.REJECT, _TODAY, site.revision),
        "accepted": Record(Action.ACCEPT, _TODAY, site.revision, purposes, frozenset(SERVICES)),
    }
    page = NoticePage(decide(site, records[visitor], Signals(), _TODAY), "en", nonce="", back="/", root=site.mount)
    notice = Notice(site, assets)
    return notice.head(page) + notice.insertion(page), notice


def parts_of(text: bytes) -> dict[str, bytes]:
    """Return the insertions by part."""
    parts = dict.fromkeys(PARTS, b"")
    for element in _ELEMENT.finditer(text):
        kind = "style" if element[1] != b"script" else next(part for mark, part in _OF.items() if mark in element[2])
        parts[kind] += element[0]
    return parts | {PARTS[0]: _ELEMENT.sub(b"", text)}


def rows() -> list[list[str]]:
    """Return the rows of the table."""
    assets = Assets()
    made = [insertions(visitor, assets) for visitor in VISITORS]
    texts = [text for text, _ in made]
    parts = [parts_of(text) for text in texts]
    files = []
    for text, notice in made:
        paths = [path.decode() for path in _SOURCE.findall(text)]
        found = [assets.find(path) or notice.guard.find(path) for path in paths]
        files.append([file[0] for file in found if file is not None])
    return [
        *([part, *(f"{weight(one[part])}" for one in parts)] for part in PARTS),
        ["all of it in the page", *(f"{weight(text)}" for text in texts)],
        ["files, kept by the browser", *(f"{sum(map(weight, some))}" for some in files)],
    ]
