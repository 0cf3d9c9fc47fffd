"""
Measure in Chromium what saved pages of real sites still request before a choice, judged by independent labels.

    python -m tools.judged_pages visit OUT.jsonl [--every N] [--from K]
    python -m tools.judged_pages sum OUT.jsonl...

``visit`` loads each page with JavaScript on and off: bare (always, since the other visits wait for what it asked for;
icons of a tab are asked for last), with ``unknown = "pixels"``, with ``unknown = "suspects"``
on a site that was never seen before ("fresh"), and on the same site after the page was sent ten times ("ten"). Each
page is a separate site. The requests are written as one line of JSON per visit.

``sum`` uses ``labels.csv`` of the corpus: a URL in the page is judged by its own label, any other third-party URL by
the labels of its host, if these agree. For each step it prints how many requests to trackers remain, and how many
harmless ones of third parties and of the site itself are lost; by halves of the pages, with the hosts that were missed.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consent_mw.html.urls import site_of
from tests.browser.harness import background
from tests.browser.harness import chromium
from tests.browser.harness.bytes import get
from tests.browser.harness.chromium import Chromium
from tests.browser.harness.corpus import find_corpus
from tests.browser.harness.proxy import Proxy
from tests.browser.harness.wrapped import Wrapped
from tests.corpus.saved import SavedPage
from tests.corpus.saved import SavedSite
from tests.corpus.saved import saved_pages

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

STEPS = ("bare", "pixels", "fresh", "ten")
#: How many pages of a site are served before the last step.
PAGES_BEFORE = 10
#: The number of parallel visits.
WIDTH = 2
#: Digits that scripts add to URLs to bypass caches.
_CHANCE = re.compile(r"\d{5,}")


def without_chance(url: str) -> str:
    """Return a URL in a normalised form, without the scheme and without parts that differ from visit to visit."""
    return _CHANCE.sub("0", url.partition("#")[0].replace("https:", "http:", 1))


class Visits:
    """Makes the visits to pages, and writes each to a file when it ends."""

    def __init__(self, engine: Chromium, proxy: Proxy, out: Path, steps: tuple[str, ...]) -> None:
        self._engine = engine
        self._proxy = proxy
        self._out = out
        self._steps = steps
        self._lock = Lock()

    def page(self, page: SavedPage) -> None:
        """Make the visits to ``page``."""
        for scripts in (True, False):
            folder = Path(tempfile.mkdtemp(prefix="cmw-judged-"))
            site = SavedSite(page)
            wanted: frozenset[str] = frozenset()
            fresh = Wrapped(folder, {"site": {"records": f"sqlite:///{folder / 'fresh.db'}", "unknown": "suspects"}})
            for step in self._steps:
                around: WSGIApplication = site
                if step == "pixels":
                    settings = {"records": f"sqlite:///{folder / 'pixels.db'}", "unknown": "pixels"}
                    around = Wrapped(folder, {"site": settings}).around(site)
                elif step in ("fresh", "ten"):
                    around = fresh.around(site)
                if step == "ten":
                    for _ in range(PAGES_BEFORE):
                        get(around, page.url, HTTP_SEC_FETCH_DEST="document")
                asked = self._see(page, scripts, around, wanted)
                wanted = wanted or asked
                with self._lock, self._out.open("a", encoding="utf-8") as lines:
                    row = {"id": page.id, "url": page.url, "scripts": scripts, "step": step, "asked": sorted(asked)}
                    lines.write(json.dumps(row) + "\n")
            shutil.rmtree(folder, ignore_errors=True)

    def _see(self, page: SavedPage, scripts: bool, site: WSGIApplication, wanted: frozenset[str]) -> frozenset[str]:
        """Return the URLs that a visit requests, except the page's own."""
        with self._proxy.lane() as lane, self._engine.session(lane, scripts) as session:
            lane.serve(page.host, site)
            with suppress(TimeoutError):
                session.open(page.url)
            lane.wait_for(lambda hits: wanted <= {without_chance(hit.url) for hit in hits}, limit=1.0)
            hits = background.without_background(lane.hits())
            return frozenset(without_chance(hit.url) for hit in hits if hit.method != "CONNECT" and hit.url != page.url)


class Labels:
    """Looks up the labels of URLs."""

    def __init__(self, file: Path) -> None:
        self._by_url: dict[tuple[str, str], str] = {}
        hosts: dict[str, Counter[str]] = defaultdict(Counter)
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                url = without_chance(row["url"])
                self._by_url[row["page"], url] = row["label"]
                hosts[urlsplit(url).hostname or ""][row["label"]] += 1
        self._by_host = {host: next(iter(labels)) for host, labels in hosts.items() if len(labels) == 1}

    def of(self, page: str, page_host: str, url: str) -> str:
        """Return the label of a URL: ``own`` for the site itself, ``unlabelled`` if it has none."""
        host = urlsplit(url).hostname or ""
        if site_of(host) == site_of(page_host):
            return "own"
        return self._by_url.get((page, url)) or self._by_host.get(host, "unlabelled")


def half(page: str) -> str:
    """Return which half a page belongs to; only the first half is used for tuning."""
    return "first" if hashlib.sha256(page.encode()).digest()[0] % 2 == 0 else "second"


def visit(out: Path, pages: Iterable[SavedPage], steps: tuple[str, ...]) -> None:
    """Visit pages and write their requests to a file; pages that are already in the file are skipped."""
    done = {json.loads(line)["id"] for line in out.open(encoding="utf-8")} if out.exists() else set()
    proxy = Proxy()
    with proxy.lane() as lane:
        engine = Chromium(chromium.find(), lane)
        visits = Visits(engine, proxy, out, steps)
        with ThreadPoolExecutor(WIDTH) as pool:
            begun = {pool.submit(visits.page, page): page for page in pages if page.id not in done}
            for future, page in begun.items():
                if (error := future.exception()) is not None:
                    sys.stderr.write(f"{page.id} {page.url}: {error!r}\n")
        engine.close()


def told(rows: Iterable[Mapping[str, object]], labels: Labels) -> None:
    """Print the totals."""
    seen: dict[tuple[str, bool], dict[str, set[str]]] = defaultdict(dict)
    hosts: dict[str, str] = {}
    for row in rows:
        key = (str(row["id"]), bool(row["scripts"]))
        seen[key][str(row["step"])] = set(row["asked"])  # type: ignore[call-overload]
        hosts[key[0]] = urlsplit(str(row["url"])).hostname or ""
    left: Counter[tuple[str, str, str, str]] = Counter()
    pages: Counter[tuple[str, str, str]] = Counter()
    misses: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (page, scripts), steps in seen.items():
        mode = "on" if scripts else "off"
        for part in (half(page), "all"):
            for url in steps["bare"]:
                label = labels.of(page, hosts[page], url)
                left[part, mode, "bare", label] += 1
                for step in STEPS[1:]:
                    if step in steps and url in steps[step]:
                        left[part, mode, step, label] += 1
                    elif step in steps and part == "all" and label in ("own", "third", "embed"):
                        misses[step, f"lost {label}"][f"{mode} {page} {url[:170]}"] += 1
            for step in STEPS[1:]:
                if step not in steps:
                    continue
                still = [u for u in steps[step] if labels.of(page, hosts[page], u) == "tracker"]
                pages[part, mode, step] += bool(still)
                left[part, mode, step, "tracker+"] += len(still)
                if part == "all":
                    misses[step, "tracker left"].update(f"{mode} {page} {url[:170]}" for url in still)
    for part in ("first", "second", "all"):
        for mode in ("on", "off"):
            print(f"-- {part} half, scripts {mode}" if part != "all" else f"-- all pages, scripts {mode}")
            for step in STEPS:
                if not any(key[:3] == (part, mode, step) for key in left):
                    continue
                line = [f"{step:7}"]
                for label in ("tracker", "weak", "third", "embed", "unlabelled", "own"):
                    kept, bare = left[part, mode, step, label], left[part, mode, "bare", label]
                    line.append(f"{label} {kept}/{bare} ({100 * kept / bare:.1f}%)" if bare else f"{label} -")
                if step != "bare":
                    line.append(
                        f"tracker requests {left[part, mode, step, 'tracker+']} on {pages[part, mode, step]} pages"
                    )
                print("  ".join(line))
    for (step, what), found in sorted(misses.items()):
        print(f"== {step}: {what}: {sum(found.values())}")
        for place in sorted(found, key=lambda place: place.split("/")[2:3]):
            print("  ", place)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    seeing = commands.add_parser("visit")
    seeing.add_argument("out", type=Path)
    seeing.add_argument("--every", type=int, default=1)
    seeing.add_argument("--from", dest="first", type=int, default=0)
    seeing.add_argument("--steps", default=",".join(STEPS))
    summing = commands.add_parser("sum")
    summing.add_argument("files", type=Path, nargs="+")
    given = parser.parse_args()
    corpus = find_corpus()
    if corpus is None:
        parser.error("the corpus is absent: set CONSENT_MW_CORPUS")
    if given.command == "visit":
        wanted = {"bare", *given.steps.split(",")}
        steps = tuple(step for step in STEPS if step in wanted)
        visit(given.out, saved_pages()[given.first :: given.every], steps)
    else:
        rows = [json.loads(line) for file in given.files for line in file.open(encoding="utf-8")]
        told(rows, Labels(corpus / "labels.csv"))


if __name__ == "__main__":
    main()
