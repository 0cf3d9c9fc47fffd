"""The usability of the notice: equal choices, small screens, large text, keyboard, forced colours, screen readers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import expect

from consent_mw.notice.assets import texts
from tests.browser.harness.looks import BANNER
from tests.browser.harness.looks import LARGE
from tests.browser.harness.looks import LAYOUTS
from tests.browser.harness.looks import PLACES
from tests.browser.harness.looks import SMALL
from tests.browser.harness.looks import ZOOMED
from tests.browser.harness.looks import Look
from tests.browser.harness.looks import show
from tools.notice_pictures import PROBLEMS
from tools.notice_pictures import MatrixLook
from tools.notice_pictures import page_of

#: The computed styles of the two buttons, except their positions; and their boxes.
BUTTONS = """() => ['reject-all', 'accept-all'].map(action => {
  const button = document.querySelector(`button[data-cmw-action=${action}]`), style = getComputedStyle(button);
  const own = ['perspective-origin', 'transform-origin', 'width', 'inline-size'];
  const box = button.getBoundingClientRect();
  return {
    look: [...style].filter(name => !own.includes(name)).map(name => name + style.getPropertyValue(name)).join(';'),
    width: Math.round(box.width), height: Math.round(box.height), top: Math.round(box.top),
    cut: button.scrollWidth > button.clientWidth,
  };
})"""
#: The choices that are not completely visible, and the horizontal overflow of the window.
CHOICES = """() => {
  const lacking = ['summary', 'button[value=reject-all]', 'button[value=accept-all]'].filter(selector => {
    const one = document.querySelector(selector), box = one.getBoundingClientRect();
    const x = box.x + box.width / 2, y = box.y + box.height / 2;
    const sides = [[box.left + 2, y], [box.right - 2, y], [x, box.top + 2], [x, box.bottom - 2]];
    return sides.some(side => !one.contains(document.elementFromPoint(...side))) || one.scrollWidth > one.clientWidth;
  });
  const banner = document.querySelector('[data-cmw-banner]'), page = document.documentElement;
  return [...lacking, banner.scrollWidth > banner.clientWidth && 'banner', page.scrollWidth > innerWidth && 'page'];
}"""
#: Whether the first checkbox and the buttons are completely visible once the boxes are open.
OPENED = """() => ['[type=checkbox]', '[value=save]', '[value=reject-all]', '[value=accept-all]'].map(selector => {
  const one = document.querySelector(selector), box = one.getBoundingClientRect(), x = box.x + box.width / 2;
  return [box.top + 2, box.bottom - 2].every(y => document.elementFromPoint(x, y) === one);
})"""
#: Whether the focused element is behind the notice or outside the window.
HIDDEN = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect();
  const over = document.querySelector('[data-cmw-banner]').getBoundingClientRect();
  if (one.closest('[data-cmw-banner]') || one === document.body) return '';
  const out = box.bottom <= 0 || box.top >= innerHeight;
  const behind = box.top >= over.top && box.bottom <= over.bottom && box.left >= over.left && box.right <= over.right;
  return out || behind ? one.textContent + ' ' + [box.top, box.bottom, over.top, over.bottom] : '';
}"""
#: Elements that move or fade.
MOTION = """() => [...document.querySelectorAll('.cmw-ui, .cmw-ui *')].flatMap(one => [null, '::before', '::after'].map(
  part => {
    const style = getComputedStyle(one, part);
    return style.animationName + ' ' + style.transitionDuration + ' ' + style.opacity;
  })).filter(found => found !== 'none 0s 1')"""
#: Controls under 24 by 24 pixels; those in the middle of the first layer are 44 high.
TARGETS = """() => [...document.querySelectorAll('.cmw-ui :is(a, button, summary, label)')].flatMap(one => {
  const box = one.getBoundingClientRect(), least = one.matches('button, summary, .cmw-open') ? 44 : 24;
  return !box.width || (box.width >= 24 && box.height >= least) ? [] : [one.textContent + box.width + ' ' + box.height];
})"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A new page."""
    context = chromium.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.slow
@pytest.mark.parametrize(("layout", "position"), LAYOUTS)
def test_refusing_looks_like_accepting(page: Page, layout: str, position: str) -> None:
    """Every computed property and the box are the same, closed and open, and no text is cut off."""
    for lang, scheme, size in product(("en", "de", "ar", "ja"), ("light", "dark"), (SMALL, LARGE)):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        show(page, Look(layout, position, lang), size, paragraphs=1)
        for _ in ("closed", "open"):
            reject, accept = page.evaluate(BUTTONS)
            assert (reject, reject["cut"]) == (accept, False), (lang, scheme, size)
            page.click("summary")


@pytest.mark.slow
def test_the_choices_are_in_view_in_every_language(page: Page) -> None:
    """On a small phone all three are completely visible, also with an opt-out signal, and so is a third of the page."""
    for lang, gpc in product(sorted(texts()), (False, True)):
        show(page, Look(lang=lang, gpc=gpc), SMALL, paragraphs=1)
        assert [one for one in page.evaluate(CHOICES) if one] == [], (lang, gpc)
        assert page.locator(BANNER).evaluate("one => one.offsetHeight") < SMALL[1] * 0.62, (lang, gpc)


def test_half_of_the_smallest_screen_stays_the_pages(page: Page) -> None:
    """At 320 by 256, a zoomed desktop, the notice has its own scrolling, with the two buttons in view."""
    for layout, position in PLACES:
        show(page, Look(layout, position, gpc=True), ZOOMED)
        assert page.locator(BANNER).evaluate("one => one.offsetHeight") <= ZOOMED[1] / 2
        lacking = page.evaluate(CHOICES)
        assert [one for one in lacking if one not in ("summary", False)] == [], (layout, position)


@pytest.mark.parametrize("size", [SMALL, (568, 320), (667, 375)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_opened_boxes_are_in_view_on_small_screens(page: Page, size: tuple[int, int]) -> None:
    """The introduction makes room for them, the three buttons stay whole, and closing brings the words back."""
    words = page.locator(f"{BANNER} .cmw-list")
    for (layout, position), lang in product(LAYOUTS, ("el", "ar")):
        show(page, Look(layout, position, lang), size)
        page.click("summary")
        expect(words).to_be_hidden()
        assert page.evaluate(OPENED) == [True] * 4, (layout, lang)
        page.click("summary")
        expect(words).to_be_visible()


def test_a_shadow_tells_of_text_below_and_of_none_else(page: Page) -> None:
    """At the end of the introduction there is a shadow while text is below, and never where all is seen."""

    def shadowed() -> bool:
        # At the edge, its padding has no text: it looks at the bottom as at the top, or there is a shadow.
        page.evaluate("document.querySelector('.cmw-title').style.setProperty('visibility', 'hidden', 'important')")
        box = page.locator(".cmw-intro").bounding_box()
        assert box is not None
        top, bottom = (
            page.screenshot(clip={"x": box["x"] + 1, "y": y, "width": 4, "height": 3})
            for y in (round(box["y"]) + 1, round(box["y"] + box["height"]) - 4)
        )
        return top != bottom

    found = {}
    for lang, size in (("en", (568, 320)), ("en", (320, 640)), ("el", (320, 640))):
        show(page, Look(lang=lang), size)
        before = shadowed()
        intro = page.locator(".cmw-intro")
        # One line of text at least: letters alone may reach a little below their box.
        scrolls = intro.evaluate("one => one.scrollHeight > one.clientHeight + 16")
        intro.evaluate("one => one.scrollTo(0, 999)")
        if (before, shadowed()) != (scrolls, False):
            found[lang, size] = (before, scrolls)
    assert found == {}


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_letters_of_twice_the_size_fit(page: Page, size: tuple[int, int]) -> None:
    """With text at 200 % nothing is cut off or lost, and nothing scrolls horizontally."""
    session = page.context.new_cdp_session(page)
    session.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
    for layout, position in PLACES:
        show(page, Look(layout, position, "de"), size)
        assert page.locator("h2").evaluate("one => parseFloat(getComputedStyle(one).fontSize)") >= 34
        lacking = [one for one in page.evaluate(CHOICES) if one]
        # Two of the choices fit on a phone then; the third one needs scrolling.
        assert lacking == [] or (size, lacking) == (SMALL, ["summary"]), (layout, position)


#: The text spacing of WCAG 2.2, 1.4.12, as a visitor's own sheet would set it: stronger than ours.
SPACING = """<style>@layer cmw {
  .cmw-ui .cmw-form * { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }
}</style>"""


@pytest.mark.parametrize("layout", ["bar", "corner", "dialog"])
def test_wider_spacing_cuts_nothing(page: Page, layout: str) -> None:
    """With the line height and spacing that a visitor may set, nothing is cut off, covered or outside."""
    for state, size in product(("closed", "open"), (SMALL, LARGE)):
        look = MatrixLook(layout, "light", size, "de", state, "few")
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.set_content(page_of(look).replace("<main", SPACING + "<main", 1))
        assert page.locator(".cmw-title").evaluate("one => getComputedStyle(one).letterSpacing") != "normal"
        assert page.evaluate(PROBLEMS) == [], look.name


def test_targets_are_large_enough(page: Page) -> None:
    """Targets are at least 24 pixels wide and high, the choices and the control 44 (WCAG 2.2, 2.5.8)."""
    for layout, position in LAYOUTS:
        show(page, Look(layout, position, gpc=True), SMALL)
        assert page.evaluate(TARGETS) == []
        page.click("summary")
        assert page.evaluate(TARGETS) == []
    show(page, Look(decided=True), SMALL)
    assert page.evaluate(TARGETS) == []


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_the_keyboard_goes_in_the_order_of_reading(page: Page, lang: str) -> None:
    """The notice comes first in every layout; nothing has the focus before a key is pressed."""
    for layout, position in PLACES:
        show(page, Look(layout, position, lang))
        assert page.evaluate("document.activeElement.localName") == "body"
        met = []
        for _ in range(6):
            page.keyboard.press("Tab")
            met.append(page.evaluate("document.activeElement.dataset.cmwAction || document.activeElement.localName"))
        assert met == ["a", "a", "summary", "reject-all", "accept-all", "input"]


@pytest.mark.slow
@pytest.mark.parametrize(("layout", "position"), PLACES)
def test_the_notice_covers_nothing_that_has_the_focus(page: Page, layout: str, position: str) -> None:
    """Every element focused by keyboard, forwards and backwards, is visible (WCAG 2.2, 2.4.11)."""
    for size in (LARGE, SMALL, ZOOMED):
        show(page, Look(layout, position, gpc=True), size, paragraphs=24)
        hidden = []
        for key in ["Tab"] * 32 + ["Shift+Tab"] * 26:
            page.keyboard.press(key)
            hidden.append(page.evaluate(HIDDEN))
        assert [one for one in hidden if one] == []


def test_the_page_can_be_used_behind_a_dialog(page: Page) -> None:
    """It can be scrolled with the wheel and clicked next to the dialog, without a scroll lock or an overlay."""
    show(page, Look("dialog"))
    page.mouse.move(100, 400)
    page.mouse.wheel(0, 600)
    page.wait_for_function("scrollY > 100")
    page.locator("main a").nth(20).click()
    page.wait_for_function("location.hash === '#20'")
    page.fill("main input", "lamp")
    assert page.evaluate("getComputedStyle(document.documentElement).overflow") == "visible"


def test_a_hidden_notice_leaves_a_usable_page(page: Page) -> None:
    """If a blocker hides the notice, the page scrolls and its links can be clicked."""
    for layout, position in LAYOUTS:
        show(page, Look(layout, position))
        page.evaluate("document.querySelector('[data-cmw-banner]').hidden = true")
        page.locator("main a").last.click()
        page.wait_for_function("scrollY > 0")


def test_forced_colours_leave_shapes(page: Page) -> None:
    """With forced colours, borders show the controls and draw the icon of the small one."""
    page.emulate_media(forced_colors="active")
    show(page, Look(gpc=True))
    border = "one => { const s = getComputedStyle(one); return s.borderTopStyle + ' ' + s.borderTopWidth; }"
    for selector in (BANNER, "summary", "[value=reject-all]", "[value=accept-all]", ".cmw-list li"):
        assert page.locator(selector).first.evaluate(border) == "solid 1px", selector
    show(page, Look(decided=True))
    part = "one => getComputedStyle(one, '::before').borderTopStyle + getComputedStyle(one, '::after').borderTopStyle"
    assert page.locator(".cmw-open").evaluate(part) == "solidsolid"


def test_nothing_moves_or_fades_at_first(page: Page) -> None:
    """The notice of a first view has no transition and no animation: it is there at the first paint, and stays."""
    for layout, position in LAYOUTS:
        show(page, Look(layout, position, gpc=True))
        assert page.evaluate(MOTION) == []
    show(page, Look(decided=True))
    assert page.evaluate(MOTION) == []


def test_screen_readers_are_told_what_it_is(page: Page) -> None:
    """The accessibility tree has a named dialog with what it is for, who asks, and the choices by name."""
    show(page, Look("dialog"))
    told = page.locator(BANNER).aria_snapshot()
    for line in (
        'dialog "Cookies: your choice"',
        'heading "Cookies: your choice" [level=2]',
        "- list:",
        "- listitem: Statistics",
        "Responsible: Portrait Shop Ltd, London",
        '- link "See all 4 services"',
        '- button "Reject all"',
        '- button "Accept all"',
    ):
        assert line in told
    page.click("summary")
    box = page.get_by_role("checkbox", name="Statistics", exact=True)
    assert box.evaluate("box => document.getElementById(box.getAttribute('aria-describedby')).textContent") == (
        "See which parts of the site are used, and how."
    )
    show(page, Look(decided=True, gpc=True))
    told = page.locator("[data-cmw-reopen]").aria_snapshot()
    assert ('- link "Cookie choices"' in told, "- status: Opt-out request honoured" in told) == (True, True)


def test_paper_shows_the_page_alone(page: Page) -> None:
    """The notice and its space are not printed, in any layout."""
    show(page, None)
    page.emulate_media(media="print")
    height = page.evaluate("document.documentElement.scrollHeight")
    for layout, position in LAYOUTS:
        show(page, Look(layout, position))
        assert page.locator(".cmw-ui >> visible=true").count() == 0
        assert page.evaluate("document.documentElement.scrollHeight") == height
    show(page, Look(decided=True))
    assert page.locator(".cmw-ui >> visible=true").count() == 0


def test_positions_are_where_they_say(page: Page) -> None:
    """Top and bottom, start and end (swapped in Arabic); a dialog is in the middle."""
    middle = (
        "one => { const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }"
    )
    found = {}
    for layout, position, lang in (
        ("bar", "bottom", "en"),
        ("bar", "top", "en"),
        ("corner", "", "en"),
        ("corner", "top-start", "en"),
        ("corner", "bottom-start", "ar"),
        ("corner", "top-end", "ar"),
        ("dialog", "", "en"),
    ):
        show(page, Look(layout, position, lang))
        x, y = page.locator(BANNER).evaluate(middle)
        across = "left" if x < 560 else "right" if x > 720 else "middle"
        found[layout, position, lang] = (across, "top" if y < 380 else "bottom" if y > 420 else "middle")
    assert found == {
        ("bar", "bottom", "en"): ("middle", "bottom"),
        ("bar", "top", "en"): ("middle", "top"),
        ("corner", "", "en"): ("right", "bottom"),
        ("corner", "top-start", "en"): ("left", "top"),
        ("corner", "bottom-start", "ar"): ("right", "bottom"),
        ("corner", "top-end", "ar"): ("left", "top"),
        ("dialog", "", "en"): ("middle", "middle"),
    }


def test_choosing_needs_no_script(chromium: Browser) -> None:
    """Without scripts the boxes can be opened, and only then is there a button to save them."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    show(page, Look("corner"))
    expect(page.locator("button[value=save]")).to_be_hidden()
    page.click("summary")
    page.check("input[value=analytics]")
    expect(page.locator("button[value=save]")).to_be_visible()
    context.close()


def test_no_small_control_stands_beside_the_banner(page: Page) -> None:
    """The small control only appears after the answer."""
    show(page, Look())
    expect(page.locator("[data-cmw-banner]")).to_be_visible()
    assert page.locator("[data-cmw-reopen]").count() == 0
