"""
Optional parts of the notice: a logo, links, a second way to refuse, the names of the services, another icon.

A site that uses none of them pays no bytes for them. Each addition has its own style sheet, which is included only for
the sites that need it.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping

from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.notice.escaping import escape
from consent_mw.notice.escaping import linked
from consent_mw.notice.wording import localised
from consent_mw.notice.wording import service_name
from consent_mw.notice.wording import service_vendor

__all__ = ["control_icon", "dismissal", "link_items", "logo", "service_names", "sheets", "text_with_links"]


def sheets(site: Site) -> list[str]:
    """Return the names of the style sheets that the site's additions to the banner need."""
    wanted = {
        "logo.css": bool(site.theme.logo),
        "links.css": _has_links(site),
        "services.css": site.show_services,
        f"dismiss-{site.dismiss}.css": site.dismiss != "off",
    }
    return [name for name, needed in wanted.items() if needed]


def logo(site: Site) -> str:
    """Return the logo and its variant for dark backgrounds; the browser fetches only the one that it shows."""
    theme = site.theme
    light, dark = theme.logo, theme.dark_logo or theme.logo
    if theme.scheme in ("light", "dark") or light == dark:
        chosen = {"cmw-logo": dark if theme.scheme == "dark" else light}
    else:
        chosen = {"cmw-logo cmw-day": light, "cmw-logo cmw-night": dark}
    return "".join(
        f'<img class="{names}" src="{escape(path)}" alt="{escape(site.name)}" loading="lazy"/>'
        for names, path in chosen.items()
        if path
    )


def link_items(site: Site, lang: str) -> str:
    """Return the owner's links."""
    return "".join(f'<a href="{escape(one.url)}">{escape(localised(one.label, lang))}</a>' for one in site.links)


def dismissal(site: Site, hidden: str, say: Mapping[str, str]) -> str:
    """
    Return the second way to refuse.

    It is a separate form, so that pressing Enter in a checkbox of the main form does not refuse.

    Args:
        site: The site.
        hidden: The hidden fields of the form.
        say: The texts.
    """
    if site.dismiss == "off":
        return ""
    words = escape(say["action.continue"])
    named = f">{words}" if site.dismiss == "text" else f' aria-label="{words}" title="{words}">'
    return (
        f'<form class="cmw-dismiss" method="post" action="\x01root\x01/choice">{hidden}'
        f'<button name="action" value="reject-all"{named}</button></form>'
    )


def service_names(site: Site, services: Iterable[Service], lang: str) -> str:
    """Return the names of the services of a purpose, each with its provider unless the name contains it."""
    if not site.show_services:
        return ""
    named = ((service_name(service, lang, site), service_vendor(service, lang, site)) for service in services)
    names = (name + (f" ({vendor})" if vendor and vendor not in name else "") for name, vendor in named)
    items = "".join(f"<li>{escape(name)}</li>" for name in names)
    return f'<ul class="cmw-each" role="list">{items}</ul>' if items else ""


def control_icon(site: Site) -> str:
    """Return the owner's picture for the control that reopens the choice; the control's text is its accessible name."""
    return f'<img src="{escape(site.reopen_icon)}" alt=""/>' if site.reopen_icon.startswith("/") else ""


def text_with_links(site: Site, text: str) -> str:
    """Return a text of the notice as HTML, with the owner's links in it."""
    found = linked(text)
    # Wrapped in one element: in a grid, each part of the text would otherwise become a grid item.
    return f"<span>{found}</span>" if "<a " in found else str(found)


def _has_links(site: Site) -> bool:
    own = (text for texts in site.texts.values() for text in texts.values())
    described = (text for purpose in site.purposes for text in purpose.description.values())
    return any("](" in text for text in (*own, *described))
