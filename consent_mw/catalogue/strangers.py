"""The catalogue together with those whom it does not know: a suspect is a service under its own name."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from types import MappingProxyType

from consent_mw.core.model import Service
from consent_mw.html.suspects import host_of_stranger

__all__ = ["WithStrangers"]

_DESCRIPTION = MappingProxyType(
    {"en": "A third party that this site has not described; what it loads looks like measurement or advertising."}
)


class WithStrangers(Mapping[str, Service]):
    """
    Services by id; the id of a stranger stands for a service under its own name, without being listed.

    Args:
        known: The catalogue.
    """

    def __init__(self, known: Mapping[str, Service]) -> None:
        self._known = known

    def __getitem__(self, id_: str) -> Service:
        if id_ in self._known:
            return self._known[id_]
        host = host_of_stranger(id_)
        if not host:
            raise KeyError(id_)
        return Service(
            id_, host, host, ("marketing",), hosts=(host,), tracker=True, embed=True, description=_DESCRIPTION
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
