"""How the banner looks and is used in a browser: equal choices, foreign style sheets, small screens, the keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page

from tests.web.doubles import decision
from tests.web.test_banner import insertion

pytestmark = pytest.mark.browser

TEXT = "<p>Words of the page. <a href='#a'>A link</a></p>" * 30
#: Sheets that pages are known to have, and worse ones.
FOREIGN = {
    "unset": "* { all: unset !important }",
    "pseudo": "*::before, *::after { content: 'X' !important; display: block !important }",
    "controls": "button, details, input { display: none !important } a { color: red !important }",
    "boxes": "* { box-sizing: content-box !important; margin: 9px !important; letter-spacing: 4px !important }",
    "root size": "html { font-size: 62.5% }",
    "dialogs": "[role=dialog], section { position: static !important; width: 90px !important; opacity: 0 !important }",
}
BOXES = """() => [...document.querySelectorAll('[data-cmw-banner], [data-cmw-banner] *')].map(one => {
  const box = one.getBoundingClientRect(), style = getComputedStyle(one);
  const look = [style.color, style.backgroundColor, style.opacity];
  return [one.className, box.x, box.y, box.width, box.height, ...look].join(' ');
})"""
LOOK = """action => {
  const button = document.querySelector(`button[data-cmw-action=${action}]`), style = getComputedStyle(button);
  const names = ['color', 'backgroundColor', 'fontFamily', 'fontSize', 'fontWeight', 'borderTopWidth', 'borderTopColor',
    'borderTopLeftRadius', 'paddingTop', 'paddingLeft', 'opacity', 'textTransform', 'boxShadow', 'cursor'];
  return names.map(name => style[name]);
}"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of its own."""
    context = chromium.new_context()
    yield context.new_page()
    context.close()


def show(page: Page, *, lang: str = "en", css: str = "", width: int = 1280, height: int = 800) -> None:
    """Show a page with the banner in it."""
    page.set_viewport_size({"width": width, "height": height})
    banner = insertion(decision(prompt=True), lang=lang)
    page.set_content(f"<!doctype html><title>Shop</title><style>{css}</style><body>{banner}{TEXT}")


def size(page: Page, selector: str) -> dict[str, float]:
    """Return the box of the one element that matches."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 700, 1280])
@pytest.mark.parametrize("lang", ["en", "de", "fr"])
def test_refusing_looks_like_accepting(page: Page, lang: str, width: int, scheme: str) -> None:
    """Both buttons have one style, one size and one height on the screen, open or closed."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    show(page, lang=lang, width=width)
    for _ in ("closed", "open"):
        assert page.evaluate(LOOK, "reject-all") == page.evaluate(LOOK, "accept-all")
        reject, accept = (size(page, f"button[data-cmw-action={action}]") for action in ("reject-all", "accept-all"))
        for side in ("y", "width", "height"):
            assert abs(reject[side] - accept[side]) < 1
        page.click("summary")


@pytest.mark.parametrize("name", FOREIGN)
def test_the_page_cannot_change_the_banner(page: Page, name: str) -> None:
    """Boxes and colours are the same with and without a foreign sheet."""
    show(page)
    plain = page.evaluate(BOXES)
    show(page, css=FOREIGN[name])
    assert page.evaluate(BOXES) == plain


def test_the_banner_does_not_change_the_page(page: Page) -> None:
    """The first words of the page stand where they stand without a banner."""
    show(page)
    first = size(page, "body > p >> nth=0")
    page.set_content(f"<!doctype html><body>{TEXT}")
    assert size(page, "body > p >> nth=0") == first


def test_the_choices_are_in_view_on_a_small_phone(page: Page) -> None:
    """At 320 by 640 all three choices can be seen at once, and more than a third of the page."""
    show(page, width=320, height=640)
    assert size(page, "[data-cmw-banner]")["height"] < 640 * 0.6
    banner = size(page, "[data-cmw-banner]")
    for selector in ("summary", "button[value=reject-all]", "button[value=accept-all]"):
        box = size(page, selector)
        assert banner["y"] <= box["y"]
        assert box["y"] + box["height"] <= 640
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_half_of_the_smallest_screen_stays_the_pages(page: Page) -> None:
    """At 320 by 256, which is a zoomed desktop, the banner scrolls in itself and the buttons stay in view."""
    show(page, width=320, height=256)
    assert size(page, "[data-cmw-banner]")["height"] <= 128
    reject = size(page, "button[value=reject-all]")
    assert reject["y"] + reject["height"] <= 256


def test_what_is_pressed_is_large_enough(page: Page) -> None:
    """Buttons are at least 44 pixels high, links at least 24."""
    show(page, width=320)
    assert all(size(page, f"[value={action}]")["height"] >= 44 for action in ("reject-all", "accept-all"))
    links = page.locator("[data-cmw-banner] a")
    assert all((link.bounding_box() or {"height": 0})["height"] >= 24 for link in links.all())


def test_the_keyboard_meets_the_banner_first_and_loses_nothing_behind_it(page: Page) -> None:
    """Tab goes through the banner in the order of reading, then to the page, whose focus is never covered."""
    show(page)
    met = []
    for _ in range(5):
        page.keyboard.press("Tab")
        met.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert met == ["All services in detail (4)", "Privacy policy", "Choose", "Reject all", "Accept all"]
    for _ in range(30):
        page.keyboard.press("Tab")
        covered = page.evaluate(
            "document.activeElement.getBoundingClientRect().bottom >"
            " document.querySelector('[data-cmw-banner]').getBoundingClientRect().top"
        )
        assert covered is False


def test_choosing_needs_no_script(chromium: Browser) -> None:
    """Without scripts the boxes open, and only then is there a button that saves them."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    show(page)
    assert page.locator("button[value=save]").is_visible() is False
    page.click("summary")
    page.check("input[value=analytics]")
    assert page.locator("button[value=save]").is_visible() is True
    context.close()


def test_a_printed_page_has_no_banner(page: Page) -> None:
    """Paper shows the page alone."""
    show(page)
    page.emulate_media(media="print")
    assert page.locator("[data-cmw-banner], [data-cmw-reopen]").locator("visible=true").count() == 0


def test_the_reopening_control_waits_for_the_banner_to_go(page: Page) -> None:
    """One control at a time: the small one is there when the banner is not."""
    show(page)
    control = page.locator("[data-cmw-action=open]")
    assert control.is_visible() is False
    page.evaluate("document.querySelector('[data-cmw-banner]').remove()")
    box = control.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 44


def test_a_hidden_banner_leaves_a_usable_page(page: Page) -> None:
    """Where a blocker hides the banner, the page scrolls and its links can be clicked."""
    show(page, css="[data-cmw-banner] { display: none !important }")
    page.evaluate("document.querySelector('[data-cmw-banner]').hidden = true")
    page.locator("body > p a").last.click(timeout=5000)
    assert page.evaluate("scrollY") > 0
