"""
Takes back the consent that a visitor gave, with our own notice or with another tool's.

Theory of operation
-------------------

Our notice has a control for it. Another tool is asked by the call that its documentation gives to sites
(:data:`CALLS`). A tool without such a call, or one that is not known, is handled as a visitor would: by the control
that opens its notice again (:data:`_CONTROLS`, or the words on it), and the button in it that refuses.

A call that does nothing would make everything after it look as if it had survived. So the choice that the tool keeps in
its cookie is read before and after, where :mod:`consent_mw.cookies.migrating` knows its form.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import NamedTuple

from consent_mw.audit.notices import OWN
from consent_mw.audit.notices import first_visible
from consent_mw.audit.notices import press
from consent_mw.audit.other_tools import tool_named
from consent_mw.cookies.migrating import TOOLS
from consent_mw.cookies.migrating import their_choice
from consent_mw.http.request import RequestHead

if TYPE_CHECKING:
    from playwright.async_api import Locator
    from playwright.async_api import Page

    from consent_mw.audit.autoconsent import Autoconsent

__all__ = ["CALLS", "ToolCall", "take_back"]


class ToolCall(NamedTuple):
    """
    A tool's documented way to refuse everything that can be refused.

    Args:
        name: The call, as a report names it.
        ready: A JavaScript expression that is true once the call can be made.
        script: The call, as JavaScript statements; they may wait for a promise.
    """

    name: str
    ready: str
    script: str


#: The instance of CookieConsent 2, which a site may keep under any name.
_VERSION_2 = """(() => {
  const fits = one => one && typeof one.accept === 'function' && typeof one.allowedCategory === 'function';
  for (const name of Object.keys(window)) try { if (fits(window[name])) return window[name]; } catch {}
  const named = [typeof cc === 'undefined' ? 0 : cc, typeof cookieconsent === 'undefined' ? 0 : cookieconsent];
  return named.find(fits);
})()"""
#: The documented call of each tool, by its id.
CALLS: Mapping[str, ToolCall] = {
    # https://cookieconsent.orestbida.com/reference/api-reference.html
    "cookieconsent-3": ToolCall(
        "CookieConsent.acceptCategory([])", "window.CookieConsent?.acceptCategory", "CookieConsent.acceptCategory([])"
    ),
    # https://github.com/orestbida/cookieconsent/tree/v2.9.2
    "cookieconsent-2": ToolCall(
        "accept([])",
        f"{_VERSION_2} || document.querySelector('#s-sv-bn')",
        f"const instance = {_VERSION_2}; if (instance) return instance.accept([]), '';"
        # A site that has not kept the instance has the tool's form all the same.
        "for (const box of document.querySelectorAll('#s-cnt .c-tgl:not(:disabled)')) box.checked = false;"
        "document.querySelector('#s-sv-bn').click()",
    ),
    # https://klaro.org/docs/api/js_api
    "klaro": ToolCall(
        "klaro.getManager().changeAll(false)",
        "window.klaro?.getManager",
        "const manager = klaro.getManager(); manager.changeAll(false); manager.saveAndApplyConsents()",
    ),
    # https://github.com/AmauriC/tarteaucitron.js
    "tarteaucitron": ToolCall(
        "tarteaucitron.userInterface.respondAll(false)",
        "window.tarteaucitron?.userInterface?.respondAll",
        "tarteaucitron.userInterface.respondAll(false)",
    ),
    # https://www.cookiebot.com/en/developer/
    "cookiebot": ToolCall("Cookiebot.withdraw()", "window.Cookiebot?.withdraw", "Cookiebot.withdraw()"),
    # https://developer.onetrust.com/onetrust/docs/javascript-api
    "onetrust": ToolCall("OneTrust.RejectAll()", "window.OneTrust?.RejectAll", "OneTrust.RejectAll()"),
    # https://www.cookieyes.com/documentation/
    "cookieyes": ToolCall(
        'performBannerAction("reject")', "window.performBannerAction", "performBannerAction('reject')"
    ),
    # https://complianz.io/developers-guide-for-third-party-integrations/
    "complianz": ToolCall("cmplz_deny_all()", "window.cmplz_deny_all", "cmplz_deny_all()"),
    # https://docs.usercentrics.com/; the older name is that of version 2.
    "usercentrics": ToolCall(
        "denyAllConsents()",
        "window.__ucCmp?.denyAllConsents || window.UC_UI?.denyAllConsents",
        "const cmp = window.__ucCmp?.denyAllConsents ? __ucCmp : UC_UI; await cmp.denyAllConsents();"
        "if (typeof cmp.saveConsents === 'function') await cmp.saveConsents()",
    ),
    # https://c15t.com/docs/frameworks/javascript/api/setting-consent
    "c15t": ToolCall(
        "saveConsents('necessary')",
        "window.c15tStore?.getState",
        "await c15tStore.getState().saveConsents('necessary')",
    ),
    # https://developers.didomi.io/cmp/web-sdk/reference/api
    "didomi": ToolCall(
        "Didomi.setUserDisagreeToAll()", "window.Didomi?.setUserDisagreeToAll", "Didomi.setUserDisagreeToAll()"
    ),
}
#: The controls of tools that open their notice again, as their documentation names them.
_CONTROLS = (
    ".cc-revoke, [data-cc=show-preferencesModal], [data-cc=c-settings], .ot-sdk-show-settings, #ot-sdk-btn-floating,"
    " #CookiebotWidget, .cky-btn-revisit, .cmplz-manage-consent, #tarteaucitronIcon, #tarteaucitronManager"
)
_OPENS = re.compile(
    r"^\s*(?:(?:change|edit|manage|open|review|withdraw|revoke|your|my|update)?\s*(?:my |your |the )?"
    r"(?:cookies?|consent|privacy)[ -](?:settings|preferences|choices|consent|options|einstellungen|instellingen)"
    r"|(?:manage|change|withdraw|revoke|review) (?:my |your |the )?(?:cookies?|consent)"
    r"|(?:cookie|datenschutz)-?einstellungen(?: \w+)?|einwilligung widerrufen|gérer (?:les |mes )?cookies"
    r"|paramètres des cookies|configurar cookies|gestisci (?:i )?cookie|cookie-?instellingen)\s*$",
    re.IGNORECASE,
)
#: How our own notice is opened, and refuses.
_OPEN, _REFUSE = "[data-cmw-action=open]", "[data-cmw-action=reject-all]:visible"
#: Time limit for a click, in milliseconds.
_CLICK = 5_000
#: Seconds until a tool is ready, until its notice is open, and until it has kept the answer; and between two looks.
_READY, _LOOK = 5.0, 0.05


async def take_back(page: Page, tool: str, helper: Autoconsent | None = None) -> str:
    """
    Withdraw consent in a page of a visitor who has accepted; return why it failed, or an empty string.

    Args:
        tool: What the notice was recognised as (:class:`consent_mw.audit.notices.NoticeLook`).
        helper: Answers the notice, once it is open again.
    """
    if tool == OWN:
        return await _with_our_control(page)
    known = tool_named(tool)
    id_ = known.id if known is not None else ""
    call = next((call for name, call in CALLS.items() if name in id_.lower()), None)
    before = await _granted(page, id_)
    if call is not None and await _until(page, call.ready):
        why = await _called(page, call)
    else:
        why = await _as_a_visitor(page, known.name if known is not None else "the notice", call, helper)
    if not why and before and not await _has_changed(page, id_, before):
        return f"{known.name if known else tool} still keeps what was granted: {', '.join(sorted(before))}"
    return why


async def _with_our_control(page: Page) -> str:
    control = await first_visible(page.locator(_OPEN))
    if control is None:
        return "the page has no control of consent_mw by which consent is taken back"
    await control.click(timeout=_CLICK)
    await page.locator(_REFUSE).first.click(timeout=_CLICK)
    return ""


async def _called(page: Page, call: ToolCall) -> str:
    """Make a tool's call; return why it failed, or an empty string."""
    from playwright.async_api import Error

    wrapped = f"(async () => {{ try {{ {call.script}; return '' }} catch (error) {{ return String(error) }} }})()"
    try:
        failed = await asyncio.wait_for(page.evaluate(wrapped), _READY)
    except TimeoutError:
        return f"{call.name} did not end"
    except Error:
        return ""  # the tool has reloaded the page, as some do after an answer
    return f"{call.name} failed: {str(failed)[:200]}" if failed else ""


async def _as_a_visitor(page: Page, name: str, call: ToolCall | None, helper: Autoconsent | None) -> str:
    """Open the notice again and refuse; return why that failed, or an empty string."""
    control = await _control(page)
    if control is None:
        asked = f"{call.name} is not in the page" if call is not None else f"no public call of {name} is known"
        return f"{asked}, and the page has no control that opens {name} again"
    await control.click(timeout=_CLICK)
    deadline = time.monotonic() + _READY
    while why := await press(page, accept=False, helper=helper):
        if time.monotonic() > deadline:
            return f"{name} was opened again, and {why}"
        await asyncio.sleep(_LOOK)
    return ""


async def _control(page: Page) -> Locator | None:
    """Return the control that opens a notice again, by its name or by its words."""
    found = await first_visible(page.locator(_CONTROLS))
    return found or await first_visible(page.locator("a, button, [role=button]").filter(has_text=_OPENS))


async def _until(page: Page, expression: str) -> bool:
    """Wait until an expression is true in a page, and return whether it is."""
    deadline = time.monotonic() + _READY
    while not await page.evaluate(f"!!({expression})"):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_LOOK)
    return True


async def _granted(page: Page, tool: str) -> frozenset[str]:
    """Return what a tool's cookie grants, by the tool's own names; empty if it cannot be read."""
    if tool not in TOOLS:
        return frozenset()
    said = json.loads(await page.evaluate("JSON.stringify(document.cookie)"))
    head = RequestHead("GET", "https", "localhost", "/", "", (("cookie", said),))
    choice = their_choice(head, tool)
    return choice.granted if choice is not None else frozenset()


async def _has_changed(page: Page, tool: str, before: frozenset[str]) -> bool:
    """Wait until a tool's cookie grants something else than before, and return whether it does."""
    from playwright.async_api import Error

    deadline = time.monotonic() + _READY
    while time.monotonic() < deadline:
        try:
            if await _granted(page, tool) != before:
                return True
        except Error:
            pass  # the page is being loaded again
        await asyncio.sleep(_LOOK)
    return False
