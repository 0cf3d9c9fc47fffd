"""The catalogue together with unknown third parties: each suspect is a service under its own name."""

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

__all__ = ["WithStrangers", "learnable"]

_DESCRIPTION = MappingProxyType(
    {"en": "A third party that this site has not described; what it loads looks like measurement or advertising."}
)


class WithStrangers(Mapping[str, Service]):
    """
    Services by id; the id of a stranger stands for a service under its own name, without being listed.

    Args:
        known: The catalogue.
        described: Hosts that are no strangers any more, and addresses of files that are none.
        index: Services whose hosts are no strangers either.
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
            return replace(service, suspected=True) if id_ == UNKNOWN_SERVICE else service
        host = host_of_stranger(id_)
        name = file_of_stranger(id_)
        labels = host.split(".")
        above = {".".join(labels[at:]) for at in range(len(labels))}
        if not self._described.isdisjoint(above) or name in self._described_files:
            raise KeyError(id_)
        if self._index is not None and any(map(self._index.has_host, above)):
            raise KeyError(id_)
        if name:
            return Service(id_, name, name, ("marketing",), tracker=True, suspected=True, description=_DESCRIPTION)
        if not host:
            raise KeyError(id_)
        return Service(
            *(id_, host, host, ("marketing",), (host,)),
            tracker=True,
            embed=True,
            suspected=True,
            description=_DESCRIPTION,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def learnable(site: Site, known: Mapping[str, Service]) -> WithStrangers:
    """
    Return what the pages of a site can teach: everything, or strangers alone where the site declares its services.

    Who was a stranger once and is described now, by the catalogue, by the site or by ``allow_hosts``, is none any more.

    Args:
        known: The catalogue.
    """
    index, own = parts_of(known)
    services = [*own.values(), *site.services]
    hosts = frozenset(host for service in services for host in service.hosts if "/" not in host)
    taught = known if site.learning else {id_: known[id_] for id_ in {UNKNOWN_SERVICE} & known.keys() - site.by_id}
    return WithStrangers(taught, hosts.union(site.allow_hosts), index)
