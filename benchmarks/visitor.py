"""
The cost of a notice for the visitor: when it appears, how fast its button responds, and how many bytes it adds.

Each visit is a new window of Chromium, with the processor slowed down four times, and a page from a server on loopback.
The bare page, ours and the others take turns in every round, and the medians of the rounds are shown. The network has
no delay, so additional files of a notice only cost it processor time.

- *Seen* is the first frame in which half of the notice is in the window, with an opacity of at least a half, counted
  from the frame of the first contentful paint: 0 is the same frame. A script in the page checks every frame.
- *Answered* is the longest event of a real click on the button that accepts all, until the next paint, by the Event
  Timing API (on which INP is based). It counts in steps of 8 ms, and less than 16 ms is reported as 16.
- *Bytes* are compressed with brotli 11: the growth of the page, and each file that is requested before a choice.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import brotli

from benchmarks import c15t_bundle
from benchmarks.overhead import Server
from benchmarks.visitor_app import BARE
from benchmarks.visitor_app import OTHERS
from benchmarks.visitor_app import OURS
from benchmarks.visitor_app import PATHS
from benchmarks.visitor_app import Setup
from consent_mw import config
from consent_mw.core.choice import Decision
from consent_mw.core.choice import Reason
from consent_mw.notice.assets import Assets
from consent_mw.notice.assets import texts
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage
from tests import npm_packages
from tests.browser.harness import chromium as chromium_driver
from tests.browser.harness.engines import executable

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Request

#: The factor by which the processor is slowed down.
SLOWER = 4

#: The least duration that the Event Timing API reports, in milliseconds.
LEAST = 16

#: Goals: milliseconds until the click is answered; bytes for a visitor who has not chosen, and for one who has.
ANSWER_GOAL = 50
UNDECIDED_GOAL = 6000
DECIDED_GOAL = 2000

#: The services of a medium-sized site, for the bytes of its notice.
SERVICES = ("google-analytics", "meta-pixel", "youtube", "clarity")

_WATCH = """(() => {
  const seen = window.benchSeen = { frame: 0, answer: 0, shift: 0 };
  const shown = el => {
    const box = el.getBoundingClientRect();
    const across = Math.min(box.right, innerWidth) - Math.max(box.left, 0);
    const down = Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
    if (!(across > 0 && down > 0) || across * down < box.width * box.height / 2) return false;
    if (getComputedStyle(el).visibility !== 'visible') return false;
    let opacity = 1;
    for (let node = el; node; node = node.parentElement) opacity *= getComputedStyle(node).opacity;
    return opacity >= 0.5;
  };
  const look = now => {
    const el = document.querySelector(BANNER);
    if (el && shown(el)) seen.frame = now;
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  new PerformanceObserver(list => list.getEntries().forEach(entry => {
    if (entry.interactionId) seen.answer = Math.max(seen.answer, entry.duration);
  })).observe({ type: 'event', durationThreshold: 16, buffered: true });
  new PerformanceObserver(list => list.getEntries().forEach(entry => {
    if (!entry.hadRecentInput) seen.shift += entry.value;
  })).observe({ type: 'layout-shift', buffered: true });
})();
"""

#: Whether the notice is visible, and whether it and its dialogs have disappeared.
SHOWN = "one => [...document.querySelectorAll(one)].some(el => el.checkVisibility({ opacityProperty: true }))"
_GONE = "one => ![...document.querySelectorAll(one)].some(el => el.checkVisibility({ opacityProperty: true }))"

#: Options for the server.
SERVER = ("--threads=4", "--keep-alive=30")

#: Waits until the events of the last click have been reported.
_SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 200))))"

SPEED_HEAD = (
    "in the page",
    "seen after first paint, ms",
    "first paint, ms",
    "first paint / bare",
    "click answered, ms",
    "click / consent_mw",
    "layout shift",
)
USE_HEAD = ("in the page", "taps to accept", "taps to reject", "taps to choose", "words")
SIZE_HEAD = (
    "in the page",
    "before a choice",
    "of these in the page",
    "requests",
    "bytes / consent_mw",
    "once after it",
    "in each later page",
)


@dataclass(slots=True)
class Visits:
    """The measurements of one setup, with a value for each round; sizes are the same in all rounds."""

    setup: Setup
    paint: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)
    shift: float = 0.0
    files: tuple[str, ...] = ()
    #: The growth of the page in bytes: undecided, refused, accepted.
    grows: tuple[int, int, int] = (0, 0, 0)
    loaded: int = 0
    later_files: tuple[str, ...] = ()
    later_loaded: int = 0
    words: int = 0
    #: The taps to grant everything, to refuse everything, and to grant only statistics; 0 if not possible.
    taps: tuple[int, int, int] = (0, 0, 0)


def missing() -> str:
    """Return why measuring is not possible, or an empty string."""
    if executable(chromium_driver.VARIABLE, *chromium_driver.CANDIDATES) is None:
        return "Chromium"
    packages = [*(setup.package for setup in OTHERS), *c15t_bundle.PACKAGES]
    if any(npm_packages.find(f"{package}/package.json") is None for package in packages):
        return "the packages of tests/npm (run .ci/npm)"
    return ""


def weight(data: bytes) -> int:
    """Return the size of ``data`` after the best compression with brotli."""
    return len(brotli.compress(data, quality=11))


def measure(rounds: int, progress: Callable[[str], None]) -> list[Visits]:
    """Visit every setup in turn; the first in the list is the bare page."""
    from playwright.sync_api import sync_playwright

    found = [Visits(setup) for setup in (BARE, OURS, *OTHERS)]
    progress("visitors, the bundle of c15t")
    c15t_bundle.folder()
    path = executable(chromium_driver.VARIABLE, *chromium_driver.CANDIDATES)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server("benchmarks.visitor_app:make_site()", Path(folder), "gthread", SERVER)
        browser = playwright.chromium.launch(executable_path=path, args=chromium_driver.flags())
        try:
            wait_for(server)
            for number in range(rounds + 1):
                progress(f"visitors, round {number} of {rounds}")
                for visits in found:
                    # The first round is a warm-up, and is discarded.
                    visit(browser, server, visits if number else Visits(visits.setup))
            for visits in found:
                weigh(server, visits)
            for visits in found[1:]:
                tap(browser, server, visits)
        finally:
            browser.close()
            server.stop()
    return found


def wait_for(server: Server) -> None:
    """Wait until the server answers."""
    for _ in range(300):
        try:
            server.get("/bare", "")
        except OSError:
            time.sleep(0.1)
        else:
            return
    log = Path(server.log.name).read_text(encoding="utf-8", errors="replace")
    raise TimeoutError(f"the server of the pages does not answer:\n{log[-2000:]}")


def visit(browser: Browser, server: Server, visits: Visits) -> None:
    """Visit the page of a setup as a new visitor, see the notice, and accept."""
    setup = visits.setup
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.add_init_script(_WATCH.replace("BANNER", json.dumps(setup.banner or "h1")))
    session = context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    origin = f"http://localhost:{server.port}"
    page.goto(origin + PATHS[setup.name], wait_until="load")
    page.wait_for_function("benchSeen.frame && performance.getEntriesByName('first-contentful-paint').length")
    page.wait_for_timeout(500)
    visits.files = tuple(files(asked, origin, setup))
    frame, paint = page.evaluate(
        "[benchSeen.frame, performance.getEntriesByName('first-contentful-paint')[0].startTime]"
    )
    visits.paint.append(paint)
    visits.seen.append(max(0.0, frame - paint))
    visits.shift = max(visits.shift, page.evaluate("benchSeen.shift"))
    if setup.accept:
        page.click(setup.accept)
        page.evaluate(_SETTLED)
        visits.answer.append(max(LEAST, page.evaluate("benchSeen.answer")))
        page.goto(origin + PATHS[setup.name], wait_until="load")
        page.wait_for_timeout(200)
        visits.later_files = tuple(path for path in files(asked, origin, setup) if path not in visits.files)
    context.close()


def tap(browser: Browser, server: Server, visits: Visits) -> None:
    """Take each path through the notice as a new visitor until it disappears; raise an error if one fails."""
    setup, taps = visits.setup, []
    for way in ((setup.accept,), setup.reject, setup.choose):
        context = browser.new_context(viewport={"width": 390, "height": 844})
        try:
            page = context.new_page()
            # Some notices attach the listeners of their buttons only after these are visible.
            page.goto(f"http://localhost:{server.port}{PATHS[setup.name]}", wait_until="networkidle")
            page.wait_for_function(SHOWN, arg=setup.banner)
            visits.words = len(page.locator(setup.banner).first.inner_text().split())
            for step in way:
                page.locator(step).first.click()
            if way:
                page.wait_for_function(_GONE, arg=setup.banner)
        finally:
            context.close()
        taps.append(len(way))
    visits.taps = (taps[0], taps[1], taps[2])


def files(asked: Sequence[str], origin: str, setup: Setup) -> list[str]:
    """Return the files of a notice among the requested URLs, each once."""
    paths = dict.fromkeys(url.removeprefix(origin) for url in asked if url.startswith(origin))
    return [path for path in paths if path not in {PATHS[setup.name], "/_cmw/choice"}]


def weigh(server: Server, visits: Visits) -> None:
    """Measure the bytes that a setup adds to the bare page, before a choice and after it."""
    _, bare = server.get(PATHS[BARE.name], "")
    cookies = ["", "", ""]
    if visits.setup is OURS:
        cookies = ["", chosen(server, "reject-all"), chosen(server, "accept-all")]
    first, refused, accepted = (
        weight(server.get(PATHS[visits.setup.name], cookie)[1]) - weight(bare) for cookie in cookies
    )
    visits.grows = (first, refused, accepted)
    visits.loaded = sum(weight(server.get(path, "")[1]) for path in visits.files)
    visits.later_loaded = sum(weight(server.get(path, "")[1]) for path in visits.later_files)


def first_visit(lang: str, services: Sequence[str]) -> int:
    """Return the compressed size of everything that is inserted for a new visitor."""
    settings = {"name": "Shop", "privacy_policy": "/privacy", "languages": [lang]}
    site = config.load({"site": settings, "services": [{"use": service} for service in services]})
    decision = Decision(frozenset(), frozenset(), prompt=True, reason=Reason.ABSENT, gpc=False)
    page = NoticePage(decision=decision, lang=lang, nonce="", back="/", root=site.mount)
    notice = Notice(site, Assets())
    return weight(notice.head(page) + notice.insertion(page))


def chosen(server: Server, action: str) -> str:
    """Return the cookie of a visitor who has made this choice."""
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Sec-Fetch-Site": "same-origin",
        "Origin": f"http://localhost:{server.port}",
    }
    response, body = server.request("POST", "/_cmw/choice", headers, f"action={action}&back=/ours")
    pairs = [value.partition(";")[0] for name, value in response.getheaders() if name.lower() == "set-cookie"]
    assert pairs, f"{action}: {response.status} {body[:500]!r}"
    return "; ".join(pair for pair in pairs if not pair.endswith("="))


def name(setup: Setup) -> str:
    """Return the name of a setup in the table, with the version if it is a package."""
    return f"{setup.name} {npm_packages.version(setup.package)}" if setup.package else setup.name


def speed_rows(found: Sequence[Visits]) -> list[list[str]]:
    """Return the rows of the table of times."""
    bare = found[0]
    ours = next(visits for visits in found if visits.setup is OURS)
    lines = [[name(bare.setup), "", f"{median(bare.paint):.0f}", "1.00", "", "", f"{bare.shift:.3f}"]]
    for visits in found[1:]:
        paint = median(mine / its for mine, its in zip(visits.paint, bare.paint, strict=True))
        answer = median(mine / its for mine, its in zip(visits.answer, ours.answer, strict=True))
        lines.append(
            [
                name(visits.setup),
                f"{median(visits.seen):.0f}",
                f"{median(visits.paint):.0f}",
                f"{paint:.2f}",
                f"{median(visits.answer):.0f}",
                f"{answer:.2f}",
                f"{visits.shift:.3f}",
            ]
        )
    return lines


def size_rows(found: Sequence[Visits]) -> list[list[str]]:
    """Return the rows of the table of bytes; the bare page has none."""
    ours = next(visits for visits in found if visits.setup is OURS)
    lines = []
    for visits in found[1:]:
        first, refused, accepted = visits.grows
        lines.append(
            [
                name(visits.setup),
                f"{first + visits.loaded}",
                f"{first}",
                f"{len(visits.files)}",
                f"{(first + visits.loaded) / (ours.grows[0] + ours.loaded):.1f}",
                f"{visits.later_loaded}",
                f"{max(refused, accepted)}",
            ]
        )
    return lines


def use_rows(found: Sequence[Visits]) -> list[list[str]]:
    """Return the rows of the table of taps and words; the bare page has none."""
    return [
        [name(visits.setup), *(str(taps) if taps else "not offered" for taps in visits.taps), str(visits.words)]
        for visits in found[1:]
    ]


def goals(found: Sequence[Visits]) -> list[str]:
    """Return a line for each goal."""
    ours = next(visits for visits in found if visits.setup is OURS)
    first, refused, accepted = ours.grows

    def verdict(reached: bool) -> str:
        return "reached" if reached else "NOT reached"

    sizes = {lang: first_visit(lang, SERVICES) for lang in texts()}
    least, most = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    over = sum(size >= UNDECIDED_GOAL for size in sizes.values())
    return [
        "Goal: consent_mw is seen in the frame of the first contentful paint: "
        f"{sum(not late for late in ours.seen)} of {len(ours.seen)} visits, {verdict(not median(ours.seen))}.",
        f"Goal: the click is answered in under {ANSWER_GOAL} ms: {verdict(median(ours.answer) < ANSWER_GOAL)}; "
        f"the slowest of {len(ours.answer)} took {max(ours.answer):.0f} ms.",
        f"Goal: under {UNDECIDED_GOAL} bytes and no request before a choice: {first + ours.loaded} bytes and "
        f"{len(ours.files)} requests, {verdict(first + ours.loaded < UNDECIDED_GOAL and not ours.files)}.",
        f"The same with {len(SERVICES)} services, in each of {len(sizes)} languages: from {sizes[least]} ({least}) to "
        f"{sizes[most]} ({most}) bytes; {over} are not under {UNDECIDED_GOAL}.",
        f"Goal: under {DECIDED_GOAL} bytes after it: {refused} for who refused, {accepted} for who accepted, "
        f"{verdict(max(refused, accepted) < DECIDED_GOAL)}.",
    ]
