"""
Disputed services: necessary in the catalogue, although some would require consent for them.

A page needs these services to look or work as intended, so they are not held, but courts, authorities or lawyers
disagree about each kind. docs/catalogue.md has the arguments. A site can hold one by declaring it with another purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass

from consent_mw.core.model import Service

__all__ = ["DISPUTED", "Dispute", "running"]


@dataclass(frozen=True, slots=True)
class Dispute:
    """
    A group of services with the same dispute.

    Args:
        name: What they are, in the plural.
        example: The id of the best-known service.
        purpose: The purpose with which a site declares them in order to hold them.
        kinds: Their kinds.
        ids: The ids of services of other kinds.
    """

    name: str
    example: str
    purpose: str
    kinds: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    def covers(self, service: Service) -> bool:
        """Whether this service belongs to the group."""
        return service.kind in self.kinds or service.id in self.ids


DISPUTED = (
    Dispute("fonts from other hosts", "google-fonts", "preferences", kinds=("fonts",)),
    Dispute("captchas", "recaptcha", "preferences", kinds=("captcha",)),
    Dispute("accessibility overlays", "userway", "preferences", kinds=("accessibility",)),
    Dispute("other consent tools", "onetrust", "preferences", kinds=("consent-tool",)),
    Dispute("avatars and emoji", "ui-avatars", "preferences", ids=("ui-avatars", "dicebear", "robohash", "twemoji")),
)


def running(known: Mapping[str, Service], declared: Iterable[Service]) -> Mapping[str, tuple[str, ...]]:
    """
    Return the ids of the disputed services that a site lets run without consent, by the name of the dispute.

    Args:
        known: Every service that the site knows.
        declared: The services that the owner declares; they take precedence.
    """
    services = {**known, **{service.id: service for service in declared}}
    found: dict[str, tuple[str, ...]] = {}
    for dispute in DISPUTED:
        ids = [service.id for service in services.values() if service.necessary and dispute.covers(service)]
        if ids:
            # The best-known service comes first.
            found[dispute.name] = tuple(sorted(ids, key=lambda id_: (id_ != dispute.example, id_)))
    return found
