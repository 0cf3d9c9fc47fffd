"""
Judge the scripts of known third parties as if nobody had described them; no browser, some seconds.

    python -m tools.judged_strangers [--worst]

Few trackers of the saved pages are unknown to the catalogue, so they say little about strangers. Here each script
is judged on a site that nothing else is known of: the scripts on other sites that ``labels.csv`` of the corpus names,
each once on a page, and those in the snippets of the catalogue. It tells how many are held, plain and async, by halves
of the pages and of the services. With ``--worst`` it lists trackers that are left and others that are held, with the
signs.
"""

from __future__ import annotations

import argparse
import csv
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from consent_mw.catalogue.definitions import built_in_texts
from consent_mw.html.signs import address_of
from consent_mw.html.signs import opinion
from consent_mw.html.suspects import Delivery
from consent_mw.html.suspects import StrangeElement
from consent_mw.html.urls import Url
from consent_mw.html.urls import resolve
from consent_mw.html.urls import site_of
from tests.browser.harness.corpus import find_corpus
from tools.judged_pages import half

_SCRIPT = re.compile(r"<script\b([^>]*)\bsrc\s*=\s*[\"']?([^\"'\s>]+)([^>]*)>", re.I)
_DATA = re.compile(r"\bdata-([a-z0-9-]+)", re.I)
#: Kinds that are necessary, but that another consent layer or an overlay follows visitors with.
_BESIDE_THE_PAGE = frozenset({"consent-tool", "accessibility"})
#: The page of a snippet; nothing is named like it.
_SHOP = "www.shop.example"


class Script(NamedTuple):
    """A script of a known third party."""

    #: What it is part of: labels or kinds of services.
    group: str
    half: str
    page_host: str
    url: Url
    data: frozenset[str] = frozenset()


def of_pages(labels: Path) -> Iterator[Script]:
    """Yield the scripts on other sites that the labels name, each once on a page."""
    seen: set[tuple[str, str]] = set()
    with labels.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["element"] != "script" or (row["page"], row["url"]) in seen:
                continue
            seen.add((row["page"], row["url"]))
            host = urlsplit(row["page_url"]).hostname or ""
            url = resolve(row["url"], Url("https", "", "/"))
            if row["label"] in ("tracker", "third") and site_of(url.host) != site_of(host):
                yield Script(f"pages: {row['label']}", half(row["page"]), host, url)


def of_catalogue() -> Iterator[Script]:
    """Yield the scripts in the snippets of the catalogue."""
    texts = built_in_texts().values()
    for entry in chain.from_iterable(tomllib.loads(text)["services"] for text in texts):
        for before, address, after in _SCRIPT.findall(entry.get("snippet", "")):
            url = resolve(address, Url("https", _SHOP, "/"))
            data = frozenset(name.lower() for name in _DATA.findall(before + after))
            if url.host and url.host != _SHOP:
                yield Script(f"catalogue: {_group(entry)}", half(entry["id"]), _SHOP, url, data)


def _group(entry: Mapping[str, object]) -> str:
    """Return which line of the table an entry of the catalogue belongs to."""
    if entry["purposes"] in (["embeds"], ["preferences"]) or entry.get("kind") in _BESIDE_THE_PAGE:
        return "embeds, preferences, consent tools, overlays"
    return "other necessary ones" if entry["purposes"] == ["necessary"] else "trackers"


def is_held(script: Script, *, is_async: bool) -> bool:
    """Whether a script is held on a site of which nothing else is known."""
    element = StrangeElement(judged=True, is_async=is_async, data=script.data)
    return bool(Delivery().judge(element, script.url, script.page_host, lambda _: False))


def told(scripts: list[Script], *, worst: bool) -> None:
    """Print the totals, and the signs of those that are judged wrongly."""
    held: Counter[tuple[str, str, str]] = Counter()
    for script in scripts:
        for way in ("plain", "async"):
            held[script.group, script.half, way] += is_held(script, is_async=way == "async")
    total = Counter((script.group, script.half) for script in scripts)
    for group in sorted({script.group for script in scripts}):
        for way in ("plain", "async"):
            sums = [f"{held[group, part, way]} of {total[group, part]}" for part in ("first", "second")]
            print(f"{group}, {way}: {', '.join(sums)}")
    for script in scripts if worst else ():
        if is_held(script, is_async=False) != ("tracker" in script.group):
            address = address_of(script.url, site=site_of(script.page_host), data=script.data)
            print(script.group, script.half, f"{script.url.host}{script.url.rest}"[:120], opinion(address), sep="\t")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worst", action="store_true")
    given = parser.parse_args()
    corpus = find_corpus()
    if corpus is None:
        parser.error("the corpus is absent: set CONSENT_MW_CORPUS")
    told([*of_pages(corpus / "labels.csv"), *of_catalogue()], worst=given.worst)


if __name__ == "__main__":
    main()
