"""The page's style sheets do not reach the notice, and the notice's do not reach the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page

from tests import npm_packages
from tests.browser.harness.looks import LARGE
from tests.browser.harness.looks import LAYOUTS
from tests.browser.harness.looks import SMALL
from tests.browser.harness.looks import Look
from tests.browser.harness.looks import show

#: Popular style sheets, from their packages.
PACKAGES = {
    "bootstrap": "bootstrap/dist/css/bootstrap.min.css",
    "tailwind": "tailwindcss/index.css",
    "preflight": "tailwindcss/preflight.css",
    "bulma": "bulma/css/bulma.min.css",
    "pico": "@picocss/pico/css/pico.min.css",
    "normalize": "normalize.css/normalize.css",
}
#: Worse ones: rules of a page for all its elements.
OWN = {
    "unset": "*, *::before, *::after { all: unset !important }",
    "pseudo": "*::before, *::after, *::marker { content: 'X' !important; display: block !important }",
    "direction": "* { direction: rtl !important; unicode-bidi: bidi-override !important; text-align: right }",
    "inherited": """html { font-size: 40px } body { color: red; font: 900 italic 30px/3 serif; letter-spacing: 4px;
      word-spacing: 9px; text-indent: 40px; text-transform: uppercase; text-shadow: 2px 2px red; white-space: nowrap;
      cursor: wait; pointer-events: none; visibility: hidden; list-style: square; text-align: right; hyphens: none;
      word-break: break-all; quotes: none; tab-size: 2; user-select: none; writing-mode: vertical-rl }""",
    "first letters": "p::first-letter, h2::first-letter, li::first-letter { font-size: 4em !important; float: left }",
    "controls": "button, details, summary, input, label { display: none !important; appearance: none !important }",
    "dialogs": "[role=dialog], section, form { position: static !important; opacity: 0 !important; width: 9px }",
    "motion": """body * { transition: all 9s !important; animation: a 9s infinite !important }
      @keyframes a { to { rotate: 9deg } }""",
}

#: Compares every computed property of the matching elements and their generated boxes, and their positions, with the
#: values stored earlier under the same key. The values stay in the page's window, since they are megabytes.
COMPARE = """([key, selector]) => {
  const seen = [...document.querySelectorAll(selector)].flatMap((one, number) => {
    const box = one.getBoundingClientRect(), name = number + ' ' + one.localName + '.' + one.className;
    return ['', '::before', '::after'].map(part => {
      const style = getComputedStyle(one, part || null), found = new Map([['name', name + part]]);
      // Without content there is no such box.
      for (const property of part && /^(none|normal)$/.test(style.content) ? ['content'] : style) {
        if (!/^--(?!cmw)/.test(property)) found.set(property, style.getPropertyValue(property));
      }
      return found.set('box', part || [box.x, box.y, box.width, box.height].join(' '));
    });
  });
  const kept = (window.kept ||= {})[key] ||= seen;
  if (kept.length !== seen.length) return ['elements: ' + kept.length + ' / ' + seen.length];
  return kept.flatMap((before, number) => [...before].flatMap(([property, value]) => {
    const now = seen[number].get(property);
    return now === value ? [] : [before.get('name') + ' ' + property + ': ' + value + ' / ' + now];
  }));
}"""
KEPT = "key => !!(window.kept || {})[key]"
#: The sheets of each layout and of the control, each once.
LOOKS = (
    (Look("bar", gpc=True), SMALL),
    (Look("bar", gpc=True), LARGE),
    (Look("corner", "top-start"), LARGE),
    (Look("dialog"), LARGE),
    (Look(gpc=True, decided=True), LARGE),
)
OURS = ".cmw-ui, .cmw-ui *"
THEIRS = "body, main, main *"


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    """A page that all tests share, with its measurements."""
    context = chromium.new_context()
    yield context.new_page()
    context.close()


def sheet(name: str) -> str:
    """Return the text of the sheet."""
    return OWN[name] if name in OWN else npm_packages.text(PACKAGES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PACKAGES, *OWN])
def test_the_page_cannot_change_the_notice(page: Page, name: str) -> None:
    """Every computed property and every box of banner and control is the same with the sheet."""
    found = []
    for look, size in LOOKS:
        key = str((look, size))
        for css in ("", sheet(name)) if not page.evaluate(KEPT, key) else (sheet(name),):
            show(page, look, size, css=css, paragraphs=3)
            found += page.evaluate(COMPARE, [key, OURS])
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nothing", *PACKAGES])
def test_the_notice_cannot_change_the_page(page: Page, name: str) -> None:
    """Every computed property and every box of the page is the same with the notice."""
    css = sheet(name) if name != "nothing" else ""
    found = []
    for look in (None, *(Look(layout, position) for layout, position in LAYOUTS)):
        show(page, look, css=css, paragraphs=1)
        found += page.evaluate(COMPARE, [name, THEIRS])
    assert found == []
