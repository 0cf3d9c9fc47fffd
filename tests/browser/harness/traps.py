"""
Trap cases: small documents in which a careless rewriter leaks or breaks something, with the requests of browsers.

``traps.json`` documents its format in ``fields``. In each case one tracker must be held, and everything else must
stay.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag
from urllib.parse import urlsplit

from tests.browser.harness.corpus import OWN_TRAPS
from tests.browser.harness.corpus import find_corpus
from tests.browser.harness.proxy import Hit


@dataclass(frozen=True, slots=True)
class Trap:
    """One case; ``fetch`` and ``must_stay`` are for scripts on and off."""

    name: str
    group: str
    body: bytes
    content_type: str
    chunk: int
    page_url: str
    tracker_host: str
    fetch: dict[bool, frozenset[str]]
    must_stay: dict[bool, frozenset[str]]
    must_not_fetch: frozenset[str]
    untouched: bool
    needs: str
    observable: bool

    def __str__(self) -> str:
        return self.name

    @property
    def host(self) -> str:
        """The host of the page."""
        return urlsplit(self.page_url).hostname or ""

    def tracked(self, hits: Iterable[Hit]) -> list[str]:
        """Return the requests and connections in ``hits`` that must not occur."""
        wanted = {urldefrag(url).url for url in self.must_not_fetch}
        return [str(hit) for hit in hits if hit.host.rstrip(".") == self.tracker_host or hit.url in wanted]


def load(path: Path) -> list[Trap]:
    """Return the cases of one file."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return [_trap(case, document) for case in document["cases"]]


def traps() -> list[Trap]:
    """Return the project's own cases, and those of the corpus if there is one."""
    found = find_corpus()
    return load(OWN_TRAPS) + (load(found / "traps" / "traps.json") if found is not None else [])


def _trap(case: dict[str, Any], document: dict[str, Any]) -> Trap:
    coded = case.get("html_base64")
    return Trap(
        name=case["name"],
        group=case["group"],
        body=case["html"].encode() if coded is None else base64.b64decode(coded),
        content_type=case["content_type"],
        chunk=case.get("chunk", 0),
        page_url=document["page_url"],
        tracker_host=document["tracker_host"],
        fetch={True: _urls(case["fetch_on"]), False: _urls(case["fetch_off"])},
        must_stay={True: _urls(case["must_stay"]["on"]), False: _urls(case["must_stay"]["off"])},
        must_not_fetch=frozenset(case["must_not_fetch"]),
        untouched=case.get("untouched") is True,
        needs=case.get("needs", ""),
        observable=case.get("observable", True) and case["verified"],
    )


def _urls(urls: Iterable[str]) -> frozenset[str]:
    """Return the addresses without fragments, as in requests."""
    return frozenset(urldefrag(url).url for url in urls)
