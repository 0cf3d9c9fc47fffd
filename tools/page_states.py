"""
Compare saved pages in Chromium with themselves behind the middleware, in every state of the visitor's choice.

    python -m tools.page_states visit OUT.jsonl [--every N] [--from K] [--width W]
    python -m tools.page_states sum OUT.jsonl...

``visit`` loads each page with JavaScript on: bare twice, the second time with a key pressed in it, and as a site with
default settings that was sent twice before, so that it has learned its services and the guard is in the page. Two
visitors come: one refuses and loads the page again, the other accepts and loads it again. They press the buttons of the
banner. The requests and the uncaught errors of each state are written as one line of JSON per page.

``sum`` prints for each state how many requests to services that need consent were made, how many page errors there
were that neither visit to the bare page had, and how many other requests, made by both visits to the bare page, were
not made; then each of these.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from consent_mw import catalogue
from consent_mw.html.match import Matcher
from consent_mw.html.urls import Url
from consent_mw.html.urls import resolve
from tests.browser.harness import background
from tests.browser.harness import chromium
from tests.browser.harness.bytes import get
from tests.browser.harness.chromium import Chromium
from tests.browser.harness.chromium import ChromiumSession
from tests.browser.harness.corpus import find_corpus
from tests.browser.harness.proxy import Hit
from tests.browser.harness.proxy import Lane
from tests.browser.harness.proxy import Proxy
from tests.browser.harness.wrapped import Wrapped
from tests.corpus.saved import SavedPage
from tests.corpus.saved import SavedSite
from tests.corpus.saved import saved_pages
from tools.judged_pages import without_chance

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

#: The states in the order of the visits; "refusing" and "accepting" are the page in which the button was pressed.
STATES = ("undecided", "refusing", "refused", "accepting", "accepted")
#: How many pages of a site are sent before the visits.
PAGES_BEFORE = 2
#: Seconds without a request after which a page is at rest; longer after a choice, which runs scripts in order.
QUIET, QUIET_CHOICE = 0.25, 0.8
_DIGITS = re.compile(r"\d+")
#: What Chromium puts before a mistake in a script that another script inserts.
_INSERTED = re.compile(r"^Failed to execute '\w+' on '\w+': ")

Seen = dict[str, list[str]]


class Visitor:
    """One browser context that visits one page several times."""

    def __init__(self, session: ChromiumSession, lane: Lane, page: SavedPage) -> None:
        self._session = session
        self._lane = lane
        self._page = page
        self._mark = 0

    def load(self, wanted: frozenset[str] = frozenset()) -> Seen:
        """Load the page, give it a little time for the ``wanted`` requests, and return what happened."""
        self._begin()
        with suppress(TimeoutError):
            self._session.open(self._page.url)
        self._wait(lambda hits: wanted <= {without_chance(hit.url) for hit in hits})
        return self._seen()

    def answer(self, action: str) -> Seen | None:
        """Press a button of the banner, and return what happened; None if there was no answer."""
        self._begin()
        with suppress(TimeoutError):
            if not self._session.press(f"[data-cmw-banner] [value={action}]", QUIET_CHOICE):
                return None
        if not self._wait(lambda hits: any(hit.method == "POST" and "/_cmw/choice" in hit.path for hit in hits)):
            return None
        with suppress(TimeoutError):
            self._lane.settle(QUIET_CHOICE, limit=8)
        return self._seen()

    def touch(self) -> list[str]:
        """Press a key in the page, as who answers does: scripts may wait for it. Return the errors that follow."""
        self._begin()
        with suppress(TimeoutError):
            self._session.press("body", QUIET_CHOICE)
        return list(self._session.page_errors)

    def _begin(self) -> None:
        self._mark = self._lane.mark()
        self._session.page_errors.clear()

    def _wait(self, done: object) -> bool:
        return self._lane.wait_for(done, self._mark, limit=1.5)  # type: ignore[arg-type]

    def _seen(self) -> Seen:
        hits = background.without_background(self._lane.hits(self._mark))
        asked = [hit.url for hit in hits if hit.method != "CONNECT" and hit.url != self._page.url and not _ours(hit)]
        return {"asked": asked, "errors": list(self._session.page_errors)}


def _ours(hit: Hit) -> bool:
    return "/_cmw/" in hit.path


class Visits:
    """Makes the visits to pages, and writes each page to a file when its visits end."""

    def __init__(self, engine: Chromium, proxy: Proxy, out: Path) -> None:
        self._engine = engine
        self._proxy = proxy
        self._out = out
        self._lock = Lock()

    def page(self, page: SavedPage) -> None:
        """Make the visits to ``page``."""
        site = SavedSite(page)
        bare = self._bare(page, site)
        wanted = frozenset(map(without_chance, bare[0]["asked"]))
        folder = Path(tempfile.mkdtemp(prefix="cmw-states-"))
        settings = {"records": f"sqlite:///{folder / 'states.db'}", "isp": "off", "allow_insecure_http": True}
        around = Wrapped(folder, {"site": settings})
        wrapped = around.around(site)
        for _ in range(PAGES_BEFORE):
            get(wrapped, page.url, HTTP_SEC_FETCH_DEST="document")
        row: dict[str, object] = {"id": page.id, "url": page.url, "bare": bare}
        for before, answer, during, after in (
            ("undecided", "reject-all", "refusing", "refused"),
            ("undecided again", "accept-all", "accepting", "accepted"),
        ):
            with self._proxy.lane() as lane, self._engine.session(lane, scripts=True) as session:
                lane.serve(page.host, wrapped)
                visitor = Visitor(session, lane, page)
                row[before] = visitor.load(wanted)
                row[during] = visitor.answer(answer)
                if row[during] is not None:
                    row[after] = visitor.load(wanted)
        around.close()
        shutil.rmtree(folder, ignore_errors=True)
        with self._lock, self._out.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")

    def _bare(self, page: SavedPage, site: WSGIApplication) -> list[Seen]:
        """Return what two visits to the bare page saw."""
        seen = []
        for again in (False, True):
            with self._proxy.lane() as lane, self._engine.session(lane, scripts=True) as session:
                lane.serve(page.host, site)
                visitor = Visitor(session, lane, page)
                seen.append(visitor.load())
                if again:
                    seen[-1]["errors"] += visitor.touch()
        return seen


def visit(out: Path, pages: Iterable[SavedPage], width: int) -> None:
    """Visit pages and write what was seen to a file; pages that are already in the file are skipped."""
    done = {json.loads(line)["id"] for line in out.open(encoding="utf-8")} if out.exists() else set()
    # Large and small pages mixed, so that a run that is stopped has seen some of both.
    pages = sorted(pages, key=lambda page: hashlib.sha256(page.id.encode()).digest())
    proxy = Proxy()
    with proxy.lane() as lane:
        engine = Chromium(chromium.find(), lane)
        visits = Visits(engine, proxy, out)
        with ThreadPoolExecutor(width) as pool:
            begun = {pool.submit(visits.page, page): page for page in pages if page.id not in done}
            for future, page in begun.items():
                if (error := future.exception()) is not None:
                    sys.stderr.write(f"{page.id} {page.url}: {error!r}\n")
        engine.close()


def _kind(error: str) -> str:
    return _DIGITS.sub("0", _INSERTED.sub("", error))


class Compared:
    """What the rows of the file say about one page."""

    def __init__(self, row: Mapping[str, object], matcher: Matcher) -> None:
        self._row = row
        self._matcher = matcher
        self._address = resolve(str(row["url"]), Url("https", "", "/"))
        self._bare: list[Seen] = row["bare"]  # type: ignore[assignment]
        self.known = {_kind(error) for seen in self._bare for error in seen["errors"]}

    def state(self, state: str) -> Seen | None:
        """Return what was seen in a state, if it was reached."""
        seen: Seen | None = self._row.get(state)  # type: ignore[assignment]
        return seen

    def claimed(self, urls: Iterable[str]) -> list[str]:
        """Return the requests to services that need consent."""
        return [url for url in urls if self._needs_consent(url)]

    def _needs_consent(self, url: str) -> bool:
        return any(not self._matcher.services[one].necessary for one in self._matcher.url(url, self._address))

    @property
    def trackers(self) -> list[str]:
        """The requests of the bare page to services that need consent."""
        return self.claimed(self._bare[0]["asked"])

    def new_errors(self, seen: Seen) -> list[str]:
        """Return the errors that neither visit to the bare page had."""
        return [error for error in seen["errors"] if _kind(error) not in self.known]

    def lost(self, seen: Seen, again: Seen | None = None, *, trackers: bool = False) -> list[str]:
        """Return what both bare visits asked for and this one did not; ``trackers`` alone, or all others."""
        both = {_DIGITS.sub("0", url) for url in self._bare[1]["asked"]}
        made = {_DIGITS.sub("0", url) for one in (seen, again) if one for url in one["asked"]}
        lost = {_DIGITS.sub("0", url): url for url in self._bare[0]["asked"]}
        return [
            url for key, url in lost.items() if key in both and key not in made and self._needs_consent(url) == trackers
        ]


def findings(page: Compared, state: str) -> Iterator[tuple[str, str]]:
    """Yield what is different in a state, each with its kind."""
    seen = page.state(state)
    if seen is None:
        # A page without a service that needs consent has no banner.
        yield "not reached" if page.trackers else "nothing to ask", ""
        return
    yield from (("tracker", url) for url in page.claimed(seen["asked"]))
    yield from (("new error", error) for error in page.new_errors(seen))
    if state == "accepted":
        yield from (("tracker lost", url) for url in page.lost(seen, trackers=True))
    if state == "accepting" and (before := page.state("undecided again")):
        yield from (("tracker lost", url) for url in page.lost(seen, before, trackers=True))
        yield from (("lost", url) for url in page.lost(seen, before))
    elif state == "undecided":
        yield from (("lost", url) for url in page.lost(seen, page.state("undecided again")))
    elif state in ("refused", "accepted"):
        yield from (("lost", url) for url in page.lost(seen))


def told(rows: list[Mapping[str, object]]) -> None:
    """Print the totals, and each finding but the requests that a grant allows."""
    matcher = Matcher(catalogue.load().values())
    pages = [(row, Compared(row, matcher)) for row in rows]
    print(f"{len(pages)} pages, {sum(len(page.trackers) for _, page in pages)} tracker requests of the bare pages")
    lines = []
    for state in STATES:
        totals: Counter[str] = Counter()
        touched: dict[str, set[str]] = {}
        for row, page in pages:
            for kind, what in findings(page, state):
                totals[kind] += 1
                touched.setdefault(kind, set()).add(str(row["id"]))
                if kind != "nothing to ask" and (kind != "tracker" or not state.startswith("accept")):
                    lines.append(f"{state}: {kind}: {row['id']} {str(row['url'])[:60]} {what[:200]}")
        sums = ", ".join(f"{kind} {count} on {len(touched[kind])} pages" for kind, count in sorted(totals.items()))
        print(f"{state}: {sums or 'nothing'}")
    for line, times in Counter(lines).items():
        print(f"{line} ({times} times)" if times > 1 else line)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    seeing = commands.add_parser("visit")
    seeing.add_argument("out", type=Path)
    seeing.add_argument("--every", type=int, default=1)
    seeing.add_argument("--from", dest="first", type=int, default=0)
    seeing.add_argument("--width", type=int, default=2, help="the number of pages that are visited at the same time")
    summing = commands.add_parser("sum")
    summing.add_argument("files", type=Path, nargs="+")
    given = parser.parse_args()
    if find_corpus() is None:
        parser.error("the corpus is absent: set CONSENT_MW_CORPUS")
    if given.command == "visit":
        visit(given.out, saved_pages()[given.first :: given.every], given.width)
    else:
        told([json.loads(line) for file in given.files for line in file.open(encoding="utf-8")])


if __name__ == "__main__":
    main()
