"""
The rows of the choices in the notice: a purpose with its checkbox, and its services.

There are two forms, since every byte of a first visit counts:

- In a page, a row has a link to the purpose in the preferences, which works without scripts.
- The notice that a script fetches has the services themselves, each with its checkbox, folded into ``<details>``. It is
  shown when the visitor reopens the choice. When a link of the first form is clicked, ``static/release.js`` takes the
  rows from it. The boxes say for which purposes a service runs, so that the script can apply the rule of the server
  (:func:`consent_mw.web.form.choice_of`) while the visitor ticks.
"""

from __future__ import annotations

from dataclasses import dataclass

from consent_mw.core.model import Purpose
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.notice import additions
from consent_mw.notice.escaping import escape
from consent_mw.notice.wording import isolated
from consent_mw.notice.wording import numeral
from consent_mw.notice.wording import purpose_description
from consent_mw.notice.wording import purpose_label
from consent_mw.notice.wording import service_name
from consent_mw.notice.wording import service_vendor
from consent_mw.notice.wording import wording

__all__ = ["PurposeRows"]


@dataclass(frozen=True, slots=True)
class PurposeRows:
    """
    Makes the rows, as items of a list.

    Args:
        site: The site.
        lang: The language of the notice.
        unfolding: Whether the rows contain the services; otherwise each has a link to them.
    """

    site: Site
    lang: str
    unfolding: bool

    def row(self, purpose: Purpose, number: int, mark: str) -> str:
        """
        Return the row of a purpose.

        Args:
            purpose: One of those that visitors are asked about.
            number: Its place among all of them, from 1. The preferences have the same numbers, as ``p1``.
            mark: Attributes of the item, or empty.
        """
        site, lang = self.site, self.lang
        note = additions.text_with_links(site, purpose_description(purpose, lang, site))
        services = [service for service in site.optional if purpose.id in service.purposes]
        link = below = ""
        if services and self.unfolding:
            below = self._folded(services, number)
        elif services:
            address = f"\x01root\x01/?\x01query\x01#p{number}"
            words = self._words(services)
            link = f'<span class="cmw-about"><a href="{address}" data-cmw-action="open">{words}</a></span>'
            if names := additions.service_names(site, services, lang):
                link, below = "", names + link
        # The whole row is clickable, but the accessible name of the checkbox is only that of the purpose.
        return (
            f'<li{mark}><label class="cmw-row"><input type="checkbox" name="purpose" value="{escape(purpose.id)}" '
            f'aria-labelledby="cmw-{number}" aria-describedby="cmw-{number}n"/>'
            f'<span><strong id="cmw-{number}">{escape(purpose_label(purpose, lang, site))}</strong>'
            f'<span class="cmw-note" id="cmw-{number}n">{note}</span>{link}</span></label>{below}</li>'
        )

    def _words(self, services: list[Service]) -> str:
        """Return the words of the link to a purpose's services: their number, or the name of the only one."""
        say = wording(self.lang, self.site)
        if self.site.show_services:
            return escape(say["page.details"])
        if len(services) == 1:
            return escape(isolated(self.lang, service_name(services[0], self.lang, self.site)))
        return escape(say["banner.services"].replace("{count}", numeral(say, len(services))))

    def _folded(self, services: list[Service], number: int) -> str:
        """Return the services of a purpose, folded away unless the owner wants them to be seen."""
        items = "".join(self._service(service) for service in services)
        opened = ' open=""' if self.site.show_services else ""
        words = self._words(services)
        # Several buttons have the same words, so each is named after its purpose as well.
        return (
            f'<details class="cmw-services"{opened}>'
            f'<summary id="cmw-{number}s" aria-labelledby="cmw-{number}s cmw-{number}">{words}</summary>'
            f'<ul role="list" aria-labelledby="cmw-{number}">{items}</ul></details>'
        )

    def _service(self, service: Service) -> str:
        name, vendor = (told(service, self.lang, self.site) for told in (service_name, service_vendor))
        small = f"<small>{escape(isolated(self.lang, vendor))}</small>" if vendor and vendor not in name else ""
        manager = ' data-cmw-manager=""' if service.manager else ""
        return (
            f'<li><label><input type="checkbox" name="service" value="{escape(service.id)}" '
            f'data-cmw-for="{escape(" ".join(service.purposes))}"{manager}/>'
            f"<span>{escape(isolated(self.lang, name))}{small}</span></label></li>"
        )
