"""
Judge what is held in the markup of saved pages, by labels that others gave; no browser, some minutes.

    python -m tools.judged_markup [--worst N]

Each page is read with the catalogue alone ("catalogue"), then by a site that was never seen before ("fresh"), and by
the same site after ten views ("ten"). An address that an element names is judged by ``labels.csv`` of the corpus, as
:mod:`tools.judged_pages` does. It tells by halves of the pages how many addresses of trackers are left and how many
harmless ones are held, and with ``--worst`` by which service or suspect, and on which host. What held code would have
loaded is not in it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from consent_mw import config
from consent_mw.catalogue.definitions import joined
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.engine.prepared import Prepared
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.nested import held_in
from consent_mw.html.places import Places
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.urls import Url
from consent_mw.notice.assets import Assets
from tests.browser.harness.corpus import find_corpus
from tests.corpus.saved import SavedPage
from tests.corpus.saved import saved_pages
from tools.judged_pages import Labels
from tools.judged_pages import half
from tools.judged_pages import without_chance

STEPS = ("catalogue", "fresh", "ten")
#: Page views up to the last step.
VIEWS_BEFORE = 10


class Judged(NamedTuple):
    """A URL in an element of a page."""

    step: str
    half: str
    page: str
    label: str
    host: str
    service: str
    held: bool


def judged(pages: Iterable[SavedPage], labels: Labels) -> list[Judged]:
    """Return every third-party URL in the pages, with its label."""
    site, known, assets = config.load({"site": {"name": "Judged"}}), joined(()), Assets()
    nobody = decide(site, NoRecord.ABSENT, Signals(), 0)
    rows: list[Judged] = []
    for page in pages:
        policy = Prepared(site, known, assets).hold_policy(nobody, "/_cmw", Places(()))
        for step in STEPS:
            if step == "catalogue":
                seen = _seen(replace(policy, unknown="allow"), page)
            else:
                for _ in range(VIEWS_BEFORE if step == "ten" else 1):
                    seen = _seen(policy, page)
            for url, service, held in seen:
                label = labels.of(page.id, page.host, without_chance(f"{url.scheme}://{url.host}{url.rest}"))
                rows.append(Judged(step, half(page.id), page.id, label, url.host, service, held))
    return rows


def _seen(policy: HoldPolicy, page: SavedPage) -> list[tuple[Url, str, bool]]:
    """Read a page, and return its URLs, each with its service and whether it was held."""
    seen: list[tuple[Url, str, bool]] = []
    watched = policy.watched(lambda url, _, service, held: seen.append((url, service, held)))
    rewriter = Rewriter(Holder(watched, page.address, document=held_in, charset="utf-8"))
    rewriter.feed(page.body)
    rewriter.finish()
    return seen


def told(rows: list[Judged], worst: int) -> None:
    """Print the totals."""
    for step in STEPS:
        for part in ("first", "second", "all"):
            found = Counter((row.label, row.held) for row in rows if row.step == step and part in ("all", row.half))
            sums = [
                f"{label} {what} {found[label, held]}/{found[label, True] + found[label, False]}"
                for label, what, held in (("tracker", "left", False), ("third", "held", True), ("embed", "held", True))
            ]
            print(f"{step:9} {part:7}", "  ".join(sums))
    for label, held in (("third", True), ("tracker", False)):
        hosts = Counter((row.service, row.host) for row in rows if row[0] == STEPS[-1] and row[3::3] == (label, held))
        for (service, host), number in hosts.most_common(worst):
            print(label, "held" if held else "left", number, host, service)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worst", type=int, default=0)
    given = parser.parse_args()
    corpus = find_corpus()
    if corpus is None:
        parser.error("the corpus is absent: set CONSENT_MW_CORPUS")
    told(judged(saved_pages(), Labels(corpus / "labels.csv")), given.worst)


if __name__ == "__main__":
    main()
