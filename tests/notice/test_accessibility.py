"""What can be said of all our markup at once, and the statement of conformance (docs/accessibility.md)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from consent_mw import config
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage
from tests.web.doubles import ASSETS
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor
from tests.web.doubles import decision

ROOT = Path(__file__).parents[2]
STATEMENT = (ROOT / "docs" / "accessibility.md").read_text(encoding="utf-8")
#: The criteria of levels A and AA in WCAG 2.2: 50 of version 2.1, 6 new ones, less 4.1.1, which is gone.
CRITERIA = [
    "1.1.1",
    "1.2.1",
    "1.2.2",
    "1.2.3",
    "1.2.4",
    "1.2.5",
    "1.3.1",
    "1.3.2",
    "1.3.3",
    "1.3.4",
    "1.3.5",
    "1.4.1",
    "1.4.2",
    "1.4.3",
    "1.4.4",
    "1.4.5",
    "1.4.10",
    "1.4.11",
    "1.4.12",
    "1.4.13",
    "2.1.1",
    "2.1.2",
    "2.1.4",
    "2.2.1",
    "2.2.2",
    "2.3.1",
    "2.4.1",
    "2.4.2",
    "2.4.3",
    "2.4.4",
    "2.4.5",
    "2.4.6",
    "2.4.7",
    "2.4.11",
    "2.5.1",
    "2.5.2",
    "2.5.3",
    "2.5.4",
    "2.5.7",
    "2.5.8",
    "3.1.1",
    "3.1.2",
    "3.2.1",
    "3.2.2",
    "3.2.3",
    "3.2.4",
    "3.2.6",
    "3.3.1",
    "3.3.2",
    "3.3.3",
    "3.3.4",
    "3.3.7",
    "3.3.8",
    "4.1.2",
    "4.1.3",
]
#: Media, movement, shortcuts, time limits, dragging and sensors, in markup.
RESTLESS = re.compile(
    r"<(?:audio|video|marquee|blink|object|embed|canvas)\b|<meta[^>]*http-equiv=.?refresh|"
    r"\s(?:accesskey|autofocus|autoplay|draggable|ontouchmove|ondevicemotion)\b|\stabindex=.?[1-9]",
    re.IGNORECASE,
)


def markup() -> str:
    """Return the notice with all that can be added, and the pages under the mount."""
    site = config.load(
        {
            "site": {"name": "Shop", "dismiss": "cross", "show_services": True},
            "theme": {"logo": "/logo.svg"},
            "services": [{"use": "google-analytics"}, {"use": "youtube"}],
        }
    )
    notice = Notice(site, ASSETS)
    banner = notice.banner(NoticePage(decision(prompt=True), "en", "", "/", "/_cmw"))
    visitor = Visitor(FakeContext(site))
    pages = [visitor.get(path).text for path in ("/", "/receipt", "/policy", "/placeholder/youtube", "/nowhere")]
    assert all("</html>" in page for page in pages)
    return "".join([banner, *pages])


def test_nothing_of_ours_plays_moves_or_runs_out() -> None:
    """There is no media, no movement, no shortcut, no time limit, nothing to drag and nothing to shake."""
    assert RESTLESS.findall(markup()) == []
    assert "@keyframes" not in "".join(path.read_text(encoding="utf-8") for path in (ROOT / "static").glob("*.css"))


def test_a_restless_page_would_be_found() -> None:
    """The words that are looked for are found where they stand."""
    restless = '<video src=a><p tabindex="2"><a accesskey=x><meta http-equiv="refresh"><p tabindex="0">'
    assert len(RESTLESS.findall(restless)) == 4


def test_nothing_is_asked_about_a_person() -> None:
    """Visitors tick boxes and press buttons; no field of ours takes words, a name or a password."""
    types = set(re.findall(r'<input\b[^>]*?\btype="?([a-z-]+)', markup()))
    assert (types, "<textarea" in markup()) == ({"checkbox", "hidden"}, False)


def test_the_statement_has_every_criterion_once() -> None:
    """Each criterion of WCAG 2.2, A and AA, has its row, in order, with a result that a VPAT knows."""
    rows = re.findall(r"^\| (\d\.\d\.\d+) .*?\((?:A|AA)\) \| (.+?) \|", STATEMENT, re.MULTILINE)
    assert [number for number, _ in rows] == CRITERIA
    assert {result for _, result in rows} <= {"supports", "partly", "not applicable"}


def test_the_statement_names_tests_that_exist() -> None:
    """Every criterion names a test, and each named test is there under its name."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", STATEMENT)
    assert all("`tests/" in line for line in STATEMENT.splitlines() if re.match(r"\| \d\.\d\.\d", line))
    there = {
        (path, node.name)
        for path in {path for path, _ in named}
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert [f"{path}::{name}" for path, name in named if (path, name) not in there] == []


#: Properties by which something appears or gets out of the way.
APPEARING = re.compile(r"(?:display|visibility|opacity|clip(?:-path)?|position|content|height|width|overflow)\s*:")
UNDER_POINTER = re.compile(r"([^{}]*:(?:hover|focus(?:-visible|-within)?)\b[^{}]*)\{([^{}]*)\}")


def appearing(styles: str) -> list[str]:
    """Return the rules by which something appears under the pointer or with the focus."""
    return [rule[1].strip() for rule in UNDER_POINTER.finditer(styles) if APPEARING.search(rule[2])]


def test_nothing_appears_under_the_pointer_or_with_the_focus() -> None:
    """Pointer and focus change colours and rings alone; the words of the small control are the browser's own tip."""
    styles = {
        path.name: path.read_text(encoding="utf-8")
        for path in (ROOT / "static").glob("*.css")
        if path.name != "dashboard.css"
    }
    assert {name: found for name, text in styles.items() if (found := appearing(text))} == {}
    controls = [
        Notice(config.load({"site": {"reopen_label": label}, "services": [{"use": "youtube"}]}), ASSETS)
        .insertion(NoticePage(decision(prompt=False), "en", "", "/", "/_cmw"))
        .decode()
        for label in ("hover", "always")
    ]
    assert ['title="' in control.partition('class="cmw-open"')[2].partition(">")[0] for control in controls] == [
        True,
        False,
    ]


def test_a_rule_that_shows_something_would_be_found() -> None:
    """A tip that a style sheet shows is found, and a colour is not."""
    assert appearing(".a:hover .tip { display: block } .b:focus-visible { outline: none }") == [".a:hover .tip"]
