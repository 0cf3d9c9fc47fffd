"""
Finds the notice in a page, identifies its tool and buttons, and judges whether refusing is as easy as accepting.

Our own notice is found by its marks, those of known tools by the documented names of their buttons, and any other by
the words on its buttons. Where the owner has autoconsent, it finds and answers the notices of more tools, and refuses
where a notice has no button for it on its first page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from playwright.async_api import Locator
    from playwright.async_api import Page

    from consent_mw.audit.autoconsent import Autoconsent
    from consent_mw.audit.autoconsent import FoundNotice

__all__ = ["BUTTONS", "OWN", "NoticeLook", "find_notice", "first_visible", "press"]

#: The id of our own notice.
OWN = "consent_mw"

#: CSS selectors of the notice, the button that accepts all, and the one that refuses.
BUTTONS: Mapping[str, tuple[str, str, str]] = {
    OWN: ("[data-cmw-banner]", "[data-cmw-action=accept-all]", "[data-cmw-action=reject-all]"),
    "cookieconsent-3": ("#cc-main", "#cc-main [data-role=all]", "#cc-main [data-role=necessary]"),
    "cookieconsent-2": ("#cc--main", "#c-p-bn", "#c-s-bn"),
    "osano-cookieconsent": (".cc-window", ".cc-allow, .cc-dismiss", ".cc-deny"),
    "klaro": (".klaro", ".klaro .cm-btn-success", ".klaro .cn-decline, .klaro .cm-btn-decline"),
    "tarteaucitron": ("#tarteaucitronAlertBig", "#tarteaucitronPersonalize2", "#tarteaucitronAllDenied2"),
    "cookiebot": (
        "#CybotCookiebotDialog",
        "#CybotCookiebotDialogBodyLevelButtonLevelOptinAllowAll, #CybotCookiebotDialogBodyButtonAccept",
        "#CybotCookiebotDialogBodyButtonDecline",
    ),
    "onetrust": ("#onetrust-banner-sdk", "#onetrust-accept-btn-handler", "#onetrust-reject-all-handler"),
    "cookieyes": (".cky-consent-container", ".cky-btn-accept", ".cky-btn-reject"),
    "complianz": (".cmplz-cookiebanner", ".cmplz-btn.cmplz-accept", ".cmplz-btn.cmplz-deny"),
    "usercentrics": ("#usercentrics-root, #usercentrics-cmp-ui", "[data-testid=uc-accept-all-button], #accept",
                     "[data-testid=uc-deny-all-button], #deny"),
    "c15t": ("[data-testid=consent-banner-root], [data-testid=cookie-banner-root]",
             "[data-testid=consent-banner-accept-button], [data-testid=cookie-banner-accept-button]",
             "[data-testid=consent-banner-reject-button], [data-testid=cookie-banner-reject-button]"),
    "django-cookie-consent": (".cookie-consent, #cookie-consent, :has(> .cookie-consent__accept)",
                              ".cookie-consent__accept", ".cookie-consent__decline"),
}  # fmt: skip

_YES = re.compile(
    r"^\s*(?:accept|allow|agree|ok|got it|akzeptieren|zustimmen|einverstanden|(?:tout )?accepter|aceptar|accetta|"
    r"accepteren|aceitar|akceptuj)(?:[ \w]{0,24})\s*$",
    re.IGNORECASE,
)
_NO = re.compile(
    r"^\s*(?:reject|decline|deny|refuse|no thanks|only (?:necessary|essential)|necessary only|ablehnen|"
    r"nur notwendige|(?:tout )?refuser|continuer sans accepter|rechazar|rifiuta|weigeren|recusar|odrzu)"
    r"(?:[ \w]{0,24})\s*$",
    re.IGNORECASE,
)

#: How a button looks and whether it can be reached. Colours are painted, since there are many ways to write one.
_LOOK = """el => {
  const style = getComputedStyle(el), box = el.getBoundingClientRect();
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
  const paint = canvas.getContext('2d', { willReadFrequently: true });
  const rgba = text => {
    paint.clearRect(0, 0, 1, 1); paint.fillStyle = '#000'; paint.fillStyle = text; paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data].map((v, at) => at === 3 ? v / 255 : v);
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((v, at) => v * a + under[at] * (1 - a));
  const chain = [];
  for (let up = el; up; up = up.parentElement || up.getRootNode().host) chain.push(getComputedStyle(up));
  const back = chain.reduceRight((under, one) => over(rgba(one.backgroundColor), under), [255, 255, 255]);
  const opacity = chain.reduce((all, one) => all * Number(one.opacity), 1);
  const light = colour => colour.map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
  const [high, low] = [light(over(rgba(style.color), back)), light(back)].sort((a, b) => b - a);
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const inside = x >= 0 && y >= 0 && x <= innerWidth && y <= innerHeight;
  const at = inside && el.getRootNode().elementFromPoint(x, y);
  return {
    width: box.width, height: box.height, font: parseFloat(style.fontSize), weight: Number(style.fontWeight) || 400,
    contrast: (high + .05) / (low + .05), opacity: opacity, inside,
    filled: rgba(style.backgroundColor)[3] > 0 || parseFloat(style.borderTopWidth) > 0
      || /gradient|url/.test(style.backgroundImage),
    covered: inside && !(at && (el.contains(at) || at.contains(el) && at.matches('button,a,label'))),
    away: Math.abs(parseFloat(style.textIndent)) > box.width,
    reachable: el.tabIndex >= 0 && !el.disabled && !el.closest('[inert]'), hushed: !!el.closest('[aria-hidden=true]'),
    named: !!(el.innerText || el.value || el.getAttribute('aria-label') || el.title || '').trim(),
  };
}"""
#: How a notice presents itself to assistive technology.
_NOTICE = """el => {
  const box = el.matches('[role],dialog') ? el
    : el.querySelector('[role=dialog],[role=alertdialog],[role=region],dialog');
  const of = id => id && document.getElementById(id);
  return {
    role: !!box || el.matches('section,aside'),
    named: !!(box || el).getAttribute('aria-label') || !!of((box || el).getAttribute('aria-labelledby')),
  };
}"""
#: The names of the boxes of a notice that are ticked and may be unticked, given the notice or a button in it.
_TICKED = """el => {
  let root = el;
  if (el.matches('button,a,input,[role=button]'))
    for (let up = el, steps = 0; up && up !== document.body && steps < 8; up = up.parentElement, steps++) {
      root = up;
      if (up.matches('dialog,[role=dialog],form') || /fixed|sticky/.test(getComputedStyle(up).position)) break;
    }
  const boxes = 'input[type=checkbox]:checked:not(:disabled),'
    + ':is([role=switch],[role=checkbox])[aria-checked=true]:not([aria-disabled=true])';
  const name = box => (box.getAttribute('aria-label') || (box.labels && box.labels[0] || box.closest('label')
    || box.parentElement).innerText || box.name || box.id || '').trim().split('\\n')[0].slice(0, 40);
  return [...root.querySelectorAll(boxes)].map(name)
    .filter(text => !/n[eé]ces|essential|essentiel|required|notwendig|erforderlich|noodzakelijk|niezb/i.test(text))
    .slice(0, 8);
}"""
#: The minimum size of a button in pixels (WCAG 2.2, 2.5.8), and the minimum contrast of its text (1.4.3).
_LEAST_SIZE, _LEAST_CONTRAST = 24, 4.5
#: The smallest acceptable ratio between the two buttons, in size and in visibility.
_SMALLER, _FAINTER = 0.7, 0.7
#: Time limits for a click, and for a notice to disappear, in milliseconds.
_CLICK = 5_000


@dataclass
class NoticeLook:
    """
    A notice in a page.

    Args:
        tool: The id of the tool; empty if it was recognised by the words of its buttons only.
        less: How refusing is harder than accepting.
        hard: Accessibility faults.
    """

    tool: str
    less: list[str] = field(default_factory=list)
    hard: list[str] = field(default_factory=list)
    #: The names of boxes that are ticked before anybody ticked them.
    ticked: list[str] = field(default_factory=list)
    accept: Locator | None = field(default=None, repr=False, compare=False)
    reject: Locator | None = field(default=None, repr=False, compare=False)
    #: What autoconsent has found, if it was asked.
    helped: FoundNotice | None = field(default=None, repr=False, compare=False)

    def can(self, *, accept: bool) -> bool:
        """Return whether there is a way to accept, or to refuse."""
        return (self.accept if accept else self.reject) is not None or self.helped is not None


async def find_notice(page: Page, helper: Autoconsent | None = None) -> NoticeLook | None:
    """
    Return the notice that a page shows now with its faults, or None.

    Args:
        helper: Looks for notices without buttons of known names, and for those without a button that refuses.
    """
    look = await _by_names(page)
    if helper is not None and (look is None or (look.tool != OWN and look.reject is None)):
        helped = await helper.find(page)
        if helped is not None:
            look = look or await _by_words(page) or NoticeLook("")
            look.helped = helped
            look.tool = look.tool or helped.tool
    return look or await _by_words(page)


async def _by_names(page: Page) -> NoticeLook | None:
    """Return the notice of a known tool, ours among them."""
    for tool, (root, accept, reject) in BUTTONS.items():
        yes, no = await first_visible(page.locator(accept)), await first_visible(page.locator(reject))
        if yes is not None or no is not None:
            return await _judged(NoticeLook(tool, accept=yes, reject=no), page.locator(root).first)
    return None


async def _by_words(page: Page) -> NoticeLook | None:
    """Return a notice that only the words of its buttons tell."""
    buttons = page.locator("button, [role=button], input[type=button], input[type=submit], a[href='#'], a:not([href])")
    yes = await first_visible(buttons.filter(has_text=_YES))
    no = await first_visible(buttons.filter(has_text=_NO))
    if yes is not None and (no is not None or await _speaks_of_cookies(yes)):
        return await _judged(NoticeLook("", accept=yes, reject=no), None)
    return None


async def first_visible(found: Locator) -> Locator | None:
    """Return the first of some elements that can be seen, or None."""
    for place in range(min(await found.count(), 20)):
        if await found.nth(place).is_visible():
            return found.nth(place)
    return None


async def _speaks_of_cookies(button: Locator) -> bool:
    """Return whether the text around a button is about cookies, so that its "OK" means them."""
    script = """el => { for (let up = el, steps = 0; up && steps < 5; up = up.parentElement, steps++)
      if (/cookie/i.test(up.innerText || '') && (up.innerText || '').length < 3000) return true; return false; }"""
    return bool(await button.evaluate(script))


async def _judged(look: NoticeLook, root: Locator | None) -> NoticeLook:
    yes = await look.accept.evaluate(_LOOK) if look.accept is not None else None
    no = await look.reject.evaluate(_LOOK) if look.reject is not None else None
    look.less = list(_less(yes, no))
    look.hard = [
        f"the button that {does} {what}"
        for does, button in (("accepts", yes), ("refuses", no))
        for what in (_hard(button) if button else ())
    ]
    place = root if root is not None and await root.count() else look.accept
    if place is not None:
        look.ticked = list(await place.evaluate(_TICKED))
    if root is not None and await root.count():
        notice = await root.evaluate(_NOTICE)
        if not notice["named"]:
            look.hard.append("the notice has no name that a screen reader could say")
        elif not notice["role"]:
            look.hard.append("the notice has no role, so its name is not said")
    return look


def _less(yes: Mapping[str, Any] | None, no: Mapping[str, Any] | None) -> Iterable[str]:
    if yes is None:
        return
    if no is None:
        yield "there is a button that accepts, and none beside it that refuses"
        return
    if no["width"] * no["height"] < _SMALLER * yes["width"] * yes["height"]:
        yield (
            f"it is smaller ({no['width']:.0f} x {no['height']:.0f} pixels against "
            f"{yes['width']:.0f} x {yes['height']:.0f})"
        )
    if no["font"] < yes["font"]:
        yield f"its text is smaller ({no['font']:g} pixels against {yes['font']:g})"
    if no["weight"] < yes["weight"]:
        yield f"its text is thinner (weight {no['weight']} against {yes['weight']})"
    if no["contrast"] < _FAINTER * yes["contrast"] and no["contrast"] < 2 * _LEAST_CONTRAST:
        yield f"its text is fainter (contrast {no['contrast']:.1f} against {yes['contrast']:.1f})"
    if yes["filled"] and not no["filled"]:
        yield "it looks like text, and the other like a button"
    if no["opacity"] < _FAINTER * yes["opacity"]:
        yield f"it is transparent (opacity {no['opacity']:.2g} against {yes['opacity']:.2g})"
    if no["away"] and not yes["away"]:
        yield "its text is moved out of sight"
    if no["hushed"] and not yes["hushed"]:
        yield "screen readers do not say it"
    if no["covered"] and not yes["covered"]:
        yield "something covers it, or it takes no click"
    if yes["inside"] and not no["inside"]:
        yield "it is outside of what the window shows"
    if yes["reachable"] and not no["reachable"]:
        yield "the keyboard does not reach it"


def _hard(button: Mapping[str, Any]) -> Iterable[str]:
    if not button["named"]:
        yield "has no name"
    if min(button["width"], button["height"]) < _LEAST_SIZE:
        yield f"is smaller than {_LEAST_SIZE} pixels (WCAG 2.2, 2.5.8)"
    if button["contrast"] < _LEAST_CONTRAST:
        yield f"has a contrast of {button['contrast']:.1f}, and needs {_LEAST_CONTRAST} (WCAG 2.2, 1.4.3)"
    if not button["reachable"]:
        yield "is not reached by the keyboard (WCAG 2.2, 2.1.1)"


async def press(page: Page, *, accept: bool, helper: Autoconsent | None = None) -> str:
    """Press the button that accepts or refuses; return why it failed, or an empty string."""
    look = await find_notice(page, helper)
    button = None if look is None else look.accept if accept else look.reject
    if button is None and helper is not None and look is not None and look.helped is not None:
        return await helper.answer(look.helped, accept=accept)
    if button is None:
        return "no button was found that " + ("accepts" if accept else "refuses")
    await button.click(timeout=_CLICK)
    return ""
