"""
Panels: our frames in place of embeds that a held script would create.

A held frame shows the page under ``/placeholder/`` itself. A calendar, a form or a custom element has no frame, so one
is inserted where the embed would be (:mod:`consent_mw.html.places`). Like every placeholder it works without
JavaScript, and it disappears when the service is granted. A page without such an embed contains none of this.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping

from consent_mw.core.model import WHOLE
from consent_mw.core.model import Service
from consent_mw.html.hold_policy import KEY
from consent_mw.notice.escaping import escape
from consent_mw.notice.page_facts import FirstPage
from consent_mw.notice.wording import fill
from consent_mw.notice.wording import listed
from consent_mw.notice.wording import service_name
from consent_mw.notice.wording import wording

__all__ = ["panel"]

#: The likely height of an embed in CSS pixels, by the kind of its service.
_HEIGHTS = {
    "video": 315,
    "maps": 320,
    "booking": 360,
    "forms": 360,
    "survey": 320,
    "comments": 260,
    "audio": 200,
    "reviews": 200,
}
_LIKELY = 240
#: Bounds of the height that a page specifies.
_LEAST, _MOST = 64, 1000


def panel(
    page: FirstPage, services: Mapping[str, Service], ids: Iterable[str], height: int, element: str = ""
) -> bytes:
    """
    Return the frame in place of an embed; empty if a service is not known.

    Args:
        page: The page that contains it.
        services: The services that visitors are asked about, by id.
        ids: The services that the embed is held for.
        height: The embed's height according to the page, in CSS pixels; 0 if unknown.
        element: The id of the element in which a script would create the embed; empty if it is not known. The page in
            the frame moves the frame there (``static/placeholder.js``).
    """
    known = [services[id_] for id_ in ids if id_ in services]
    if not known:
        return b""
    say = wording(page.lang)
    shown = listed(say, [service_name(service, page.lang) for service in known], page.lang)
    title = fill(say["placeholder.title"], name=shown)
    names = ",".join(service.id for service in known)
    high = min(max(height or _HEIGHTS.get(known[0].kind, _LIKELY), _LEAST), _MOST)
    # A lazy frame far down the page would not move before it comes into view.
    where = f' data-cmw-in="{element}"' if element else ' loading="lazy"'
    # Presentational attributes, since a policy may forbid styles in the page.
    before = f'<iframe data-cmw-panel="{escape(names)}" data-cmw-held="{escape(names)}"'
    rest = (
        f' src="{escape(f"{page.root}/placeholder/{names},{WHOLE}")}" title="{escape(title)}"'
        f' width="100%" height="{high}" frameborder="0"{where}></iframe>'
    )
    return before.encode("ascii", "xmlcharrefreplace") + KEY + rest.encode("ascii", "xmlcharrefreplace")
