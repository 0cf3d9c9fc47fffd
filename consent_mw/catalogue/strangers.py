"""The catalogue extended by unknown third parties ("strangers"): each suspect is a service with its own name."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.html.service_index import ServiceIndex
from consent_mw.html.service_index import parts_of
from consent_mw.html.suspects import file_of_stranger
from consent_mw.html.suspects import host_of_stranger

__all__ = ["SUSPECT", "WithStrangers", "learnable"]

#: The kind of a suspect, which visitors read about in their language; no entry of the catalogue has it.
SUSPECT = "suspect"
_DESCRIPTION = MappingProxyType(
    {"en": "A third party that this site has not described; what it loads looks like measurement or advertising."}
)


class WithStrangers(Mapping[str, Service]):
    """
    Services by id, including strangers: looking up a stranger's id creates a service; iteration does not list it.

    Args:
        known: The catalogue.
        described: Hosts, and addresses of files, that have been described and so are not strangers.
        index: Services whose hosts are not strangers either.
    """

    def __init__(
        self,
        known: Mapping[str, Service],
        described: frozenset[str] = frozenset(),
        index: ServiceIndex | None = None,
    ) -> None:
        self._known = known
        self._index = index
        self._described = described
        self._described_files = frozenset(address.rpartition("/")[2].lower() for address in described if "/" in address)

    def __getitem__(self, id_: str) -> Service:
        if id_ in self._known:
            service = self._known[id_]
            return replace(service, suspected=True, kind=SUSPECT) if id_ == UNKNOWN_SERVICE else service
        host = host_of_stranger(id_)
        name = file_of_stranger(id_)
        labels = host.split(".")
        above = {".".join(labels[at:]) for at in range(len(labels))}
        if not self._described.isdisjoint(above) or name in self._described_files:
            raise KeyError(id_)
        if self._index is not None and any(map(self._index.has_host, above)):
            raise KeyError(id_)
        if name:
            return Service(
                *(id_, name, name, ("marketing",)),
                tracker=True,
                suspected=True,
                kind=SUSPECT,
                description=_DESCRIPTION,
            )
        if not host:
            raise KeyError(id_)
        return Service(
            *(id_, host, host, ("marketing",), (host,)),
            tracker=True,
            embed=True,
            suspected=True,
            kind=SUSPECT,
            description=_DESCRIPTION,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def learnable(site: Site, known: Mapping[str, Service]) -> WithStrangers:
    """
    Return the services that a site can learn from its pages: all, or only strangers if the site declares its services.

    A former stranger that the catalogue, the site or ``allow_hosts`` now describes is not a stranger any more.

    Args:
        known: The catalogue.
    """
    index, own = parts_of(known)
    services = [*own.values(), *site.services]
    hosts = frozenset(host for service in services for host in service.hosts if "/" not in host)
    asks = UNKNOWN_SERVICE in known and UNKNOWN_SERVICE not in site.by_id
    taught = known if site.learning else {UNKNOWN_SERVICE: known[UNKNOWN_SERVICE]} if asks else {}
    return WithStrangers(taught, hosts.union(site.allow_hosts), index)
