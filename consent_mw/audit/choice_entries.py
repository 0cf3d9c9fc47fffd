"""
Names what another consent tool keeps in the browser for itself: the visitor's choice.

Such a cookie is no finding of its own, since it goes with the tool. It is known by the name that the tool's
documentation gives it, or, as most tools let a site choose the name, by the script that set it.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import TYPE_CHECKING

from consent_mw.audit.browser_views import KeptItem
from consent_mw.audit.other_tools import OtherTool
from consent_mw.audit.other_tools import tool_named
from consent_mw.core.globs import fits

if TYPE_CHECKING:
    from consent_mw.audit.findings import AuditFinding

__all__ = ["is_choice_of", "name_choices"]

#: The documented names of each tool's entries, by its id.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "cookieconsent-3": ("cc_cookie",),
    "cookieconsent-2": ("cc_cookie",),
    "osano-cookieconsent": ("cookieconsent_status", "cookieconsent_status_*"),
    "klaro": ("klaro",),
    "tarteaucitron": ("tarteaucitron",),
    "cookiebot": ("CookieConsent", "CookieConsentBulk*"),
    "onetrust": ("OptanonConsent", "OptanonAlertBoxClosed", "eupubconsent-v2"),
    "cookieyes": ("cookieyes-consent", "cky-*"),
    "complianz": ("cmplz_*",),
    "usercentrics": ("uc_*", "ucData", "ucString"),
    "c15t": ("c15t", "c15t:*", "c15t-*", "privacy-consent-storage"),
    "django-cookie-consent": ("cookie_consent",),
    "wagtail-tag-manager": ("wtm", "wtm_*"),
}
#: The kinds of findings that an entry of a tool's own is not.
_NOT = frozenset({"unknown-cookie", "unknown-storage", "cookie-renewed"})
_STORES = ("cookie", "local storage", "session storage", "IndexedDB")


def is_choice_of(tool: OtherTool, item: KeptItem) -> bool:
    """Return whether a tool keeps an entry for itself: by its name, or by the script that set it."""
    if item.kind not in _STORES:
        return False
    if any(fits(glob, item.name) for glob in _NAMES.get(tool.id, ())):
        return True
    return tool.signs.search(item.setter) is not None


def name_choices(found: dict[str, AuditFinding], kept: Iterable[KeptItem]) -> None:
    """
    Add to the findings about other tools what each keeps, and take out the findings about these entries.

    Args:
        found: Findings by id; changed in place.
        kept: What was kept in the browser.
    """
    tools = [(finding, tool) for finding in found.values() if (tool := _tool_of(finding)) is not None]
    own: set[str] = set()
    for item in kept:
        for finding, tool in tools:
            if is_choice_of(tool, item):
                own.add(item.name)
                names = finding.keeps.setdefault(item.kind, [])
                if item.name not in names:
                    names.append(item.name)
    for finding, tool in tools:
        if finding.keeps:
            places = [_place(kind, names) for kind, names in finding.keeps.items()]
            finding.what = f"{tool.name} is on the site. It keeps the visitor's choice in {_listed(places)}."
    for id_ in [id_ for id_, finding in found.items() if finding.kind in _NOT and finding.name in own]:
        del found[id_]


def _tool_of(finding: AuditFinding) -> OtherTool | None:
    return tool_named(finding.service) if finding.kind == "other-tool" else None


def _place(kind: str, names: list[str]) -> str:
    if kind == "cookie":
        return f"the cookie{'s' if len(names) > 1 else ''} {_listed(names)}"
    return f"{kind} ({_listed(names)})"


def _listed(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
