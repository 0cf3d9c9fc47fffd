"""
The packed catalogue: services and their rules, of which a process creates only those that it needs.

The catalogue has thousands of services with ten thousand hosts. Creating objects for all of them takes a tenth of a
second and ten megabytes in every worker, but a site's pages use a few dozen. So all fields and rules are packed when
the catalogue is prepared (:mod:`consent_mw.core.packed`), and a :class:`ServiceIndex` reads them on demand.
:class:`~consent_mw.html.match.Matcher` combines it with the services of the site.

=============  ===========================  ===========================================================================
table          key                          value, in lines
=============  ===========================  ===========================================================================
services       id                           its position, and its fields as JSON
hosts          a host                       pairs: prefix of the path, id
wildcards      the host before ``.*``       likewise
cookies        the name of a cookie         ids
globs          a glob up to its first star  pairs: glob, id
words          a word of scripts            pairs: signature, id
beginnings     three letters of a word      pairs: signature, id
necessary      a registrable name           pairs: host rule, id; path rules under the empty name
lists          the name of a list           triples: rule, id, position; or words
=============  ===========================  ===========================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType

from consent_mw.core.globs import fits
from consent_mw.core.model import Service
from consent_mw.core.packed import Packed
from consent_mw.core.packed import PackedTable
from consent_mw.core.packed import pack
from consent_mw.html.signatures import Signature
from consent_mw.html.signatures import indexed
from consent_mw.html.urls import ascii_host
from consent_mw.html.urls import registrable_name

__all__ = ["ServiceIndex", "WithOwn", "host_rules_near", "is_tracker", "marks_of", "pack_services", "parts_of"]

_FIELDS = Service.__slots__
_PLAIN = Service("", "", "", ())
_TUPLES = frozenset(field for field in _FIELDS if isinstance(getattr(_PLAIN, field), tuple))
_MAPPINGS = frozenset(field for field in _FIELDS if isinstance(getattr(_PLAIN, field), MappingProxyType))
#: The fields of which all texts are stored in one list, with the ids of their services.
_LISTED = ("paths", "elements", "places", "queue")
#: The most services that are cached.
_KEPT = 1024

Pairs = list[tuple[str, str]]


def pack_services(services: Iterable[Service]) -> bytes:
    """Return the packed form of services and their rules, in order, as :class:`ServiceIndex` reads it."""
    services = list(services)
    hosts: dict[str, Pairs] = {}
    wildcards: dict[str, Pairs] = {}
    cookies: dict[str, list[str]] = {}
    globs: dict[str, Pairs] = {}
    necessary: dict[str, Pairs] = {}
    lists: dict[str, list[tuple[str, ...]]] = {name: [] for name in (*_LISTED, "necessary", "trackers")}
    for position, service in enumerate(services):
        for rule in service.hosts:
            host, prefix, wild = split_host_rule(rule)
            (wildcards if wild else hosts).setdefault(host, []).append((prefix, service.id))
        for cookie in service.cookies:
            beginning, star, _ = cookie.partition("*")
            if star:
                globs.setdefault(beginning, []).append((cookie, service.id))
            else:
                cookies.setdefault(cookie, []).append(service.id)
        if service.necessary:
            lists["necessary"].append((service.id,))
            for rule in (*service.hosts, *(path for path in service.paths if path.startswith("/"))):
                necessary.setdefault(registrable_name(rule.partition("/")[0]), []).append((rule, service.id))
        if service.tracker:
            lists["trackers"].append((service.id,))
        for name in _LISTED:
            lists[name] += [(text, service.id, str(position)) for text in getattr(service, name)]
    signatures = [Signature(text, service.id) for service in services for text in service.inline]
    code = indexed(signatures)
    lists["words"] = [(word.decode(),) for word in code.by_word]
    lists["beginnings"] = [(word.decode(),) for word in code.by_beginning]
    lists["no words"] = [(one.text, one.id) for one in code.rest]
    lists["lengths"] = [(str(length),) for length in sorted({len(beginning) for beginning in globs})]
    return pack(
        {
            "services": {service.id: f"{at}\n{_row(service)}" for at, service in enumerate(services)},
            "hosts": _lines(hosts),
            "wildcards": _lines(wildcards),
            "cookies": {name: "\n".join(ids) for name, ids in cookies.items()},
            "globs": _lines(globs),
            "words": {word.decode(): _signature_lines(found) for word, found in code.by_word.items()},
            "beginnings": {word.decode(): _signature_lines(found) for word, found in code.by_beginning.items()},
            "necessary": _lines(necessary),
            "lists": _lines(lists),
        }
    )


def split_host_rule(rule: str) -> tuple[str, str, bool]:
    """Return the host of a rule, the prefix of the path, and whether the host is followed by any public suffix."""
    host, slash, path = rule.partition("/")
    wild = host.endswith(".*")
    return host[:-2] if wild else ascii_host(host), slash + path, wild


def _lines(table: Mapping[str, Iterable[Iterable[str]]]) -> dict[str, str]:
    return {key: "\n".join(text for row in rows for text in row) for key, rows in table.items()}


def _signature_lines(signatures: Iterable[Signature]) -> str:
    return "\n".join(text for one in signatures for text in (one.text, one.id))


def _row(service: Service) -> str:
    """Return the fields of a service that differ from the defaults, as JSON."""
    values = {field: getattr(service, field) for field in _FIELDS if getattr(service, field) != getattr(_PLAIN, field)}
    plain = {field: dict(value) if field in _MAPPINGS else value for field, value in values.items()}
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


class ServiceIndex(Mapping[str, Service]):
    """
    Services by id, each created on first access, and indexes of their rules.

    Args:
        content: The result of :func:`pack_services`; it may be a memory-mapped file.
    """

    def __init__(self, content: memoryview) -> None:
        packed = Packed(content)
        self._services = packed["services"]
        self._lists = packed["lists"]
        self._hosts = packed["hosts"]
        self._wildcards = packed["wildcards"]
        self._cookies = packed["cookies"]
        self._globs = packed["globs"]
        self._words = packed["words"]
        self._beginnings = packed["beginnings"]
        self._necessary = packed["necessary"]
        self._made: dict[str, Service] = {}

    # -- the services

    def __getitem__(self, id_: str) -> Service:
        """Return the service with an id."""
        service = self._made.get(id_)
        if service is None:
            service = self._make(id_)
            if len(self._made) >= _KEPT:
                self._made.clear()
            service = self._made.setdefault(id_, service)
        return service

    def __contains__(self, id_: object) -> bool:
        """Whether a service has the id."""
        return isinstance(id_, str) and id_ in self._services

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids, in the order of the services."""
        return iter(self._services)

    def __len__(self) -> int:
        """Return the number of services."""
        return len(self._services)

    def _make(self, id_: str) -> Service:
        entry = self._services.get(id_)
        if entry is None:
            raise KeyError(id_)
        fields = json.loads(entry.partition("\n")[2])
        for field, value in fields.items():
            if field in _TUPLES:
                fields[field] = tuple(value)
            elif field in _MAPPINGS:
                fields[field] = MappingProxyType(value)
        return Service(**fields)

    def position(self, id_: str) -> int:
        """Return the position of a service in the order; the number of services if it is unknown."""
        entry = self._services.get(id_)
        return len(self) if entry is None else int(entry.partition("\n")[0])

    # -- their rules

    def on_host(self, host: str) -> Pairs:
        """Return the rules for a host (lower-case ASCII) as pairs: the prefix of the path, the id of the service."""
        return _pairs(self._hosts, host)

    def on_any_suffix(self, host: str) -> Pairs:
        """Return the rules for a host followed by any public suffix, as pairs like those of :meth:`on_host`."""
        return _pairs(self._wildcards, host)

    def has_host(self, host: str) -> bool:
        """Whether there is a rule for a whole host, without a path."""
        return any(not prefix for prefix, _ in self.on_host(host))

    def host_rules(self) -> Iterator[tuple[str, str]]:
        """Yield all host rules in the catalogue's notation, each with the id of its service."""
        for table, star in ((self._hosts, ""), (self._wildcards, ".*")):
            for host in table:
                for prefix, id_ in _pairs(table, host):
                    yield f"{host}{star}{prefix}", id_

    def host_rules_near(self, rule: str) -> Iterator[tuple[str, str]]:
        """Yield those of :meth:`host_rules` that may match the same address as a rule, and perhaps a few more."""
        host = rule.partition("/")[0]
        if host.endswith(".*"):
            yield from self.host_rules()
            return
        host = ascii_host(host)
        parents = [host[at + 1 :] for at, letter in enumerate(host) if letter == "."]
        for near in (host, *parents, *self._hosts.ending_with(f".{host}")):
            yield from ((near + prefix, id_) for prefix, id_ in self.on_host(near))
        for stem in self._wildcards:
            yield from ((f"{stem}.*{prefix}", id_) for prefix, id_ in self.on_any_suffix(stem))

    def rules(self, name: str) -> list[tuple[str, str, int]]:
        """Return all ``paths``, ``elements``, ``places`` or ``queue``: the text, the service's id, and its position."""
        lines = self._list(name)
        return list(zip(lines[::3], lines[1::3], map(int, lines[2::3]), strict=True))

    def marks(self, field: str) -> Iterator[tuple[str, str]]:
        """Yield all ``hosts``, ``inline`` or texts that :meth:`rules` returns, each with the id of its service."""
        if field == "hosts":
            yield from self.host_rules()
        elif field == "inline":
            for table in (self._words, self._beginnings):
                for key in table:
                    yield from _pairs(table, key)
            yield from self.signatures_without_words()
        else:
            yield from ((text, id_) for text, id_, _ in self.rules(field))

    def cookie(self, name: str) -> list[str]:
        """Return the ids of the services that set a cookie of that name."""
        found = (self._cookies.get(name) or "").split("\n")
        for length in self._lengths:
            if length > len(name):
                break
            found += [id_ for glob, id_ in _pairs(self._globs, name[:length]) if fits(glob, name)]
        return list(filter(None, found))

    @cached_property
    def _lengths(self) -> list[int]:
        return [int(length) for length in self._list("lengths")]

    @cached_property
    def necessary(self) -> frozenset[str]:
        """The ids of the services that run without consent."""
        return frozenset(self._list("necessary"))

    @cached_property
    def trackers(self) -> frozenset[str]:
        """The ids of the services that can never be necessary."""
        return frozenset(self._list("trackers"))

    def necessary_near(self, name: str) -> Pairs:
        """
        Return the rules of necessary services under a registrable name (``google`` of ``google.com``), with their ids.

        Args:
            name: The result of :func:`~consent_mw.html.urls.registrable_name`; empty for rules about paths on any host.
        """
        return _pairs(self._necessary, name)

    # -- the signatures of code, by the keys of consent_mw.html.signatures.SignatureTables

    @property
    def words(self) -> frozenset[bytes]:
        """The words that signatures are indexed by; made anew for each use, since only one object needs them."""
        return frozenset(word.encode() for word in self._list("words"))

    @property
    def beginnings(self) -> frozenset[bytes]:
        """The prefixes that the other signatures are indexed by; made anew like :attr:`words`."""
        return frozenset(word.encode() for word in self._list("beginnings"))

    def signatures_with(self, word: bytes) -> Pairs:
        """Return the signatures that are indexed by a word, with the ids of their services."""
        return _pairs(self._words, word.decode())

    def signatures_beginning(self, letters: bytes) -> Pairs:
        """Return the signatures that are indexed by a prefix, with the ids of their services."""
        return _pairs(self._beginnings, letters.decode())

    def signatures_without_words(self) -> Pairs:
        """Return the signatures that have to be tried in each script, with the ids of their services."""
        return _pairs(self._lists, "no words")

    def _list(self, name: str) -> list[str]:
        text = self._lists.get(name)
        return text.split("\n") if text else []


def _pairs(table: PackedTable, key: str) -> Pairs:
    text = table.get(key)
    if text is None or not text:
        return []
    lines = text.split("\n")
    return list(zip(lines[::2], lines[1::2], strict=True))


class WithOwn(Mapping[str, Service]):
    """
    An owner's services on top of a base; a service of the owner replaces one of the base with the same id.

    Args:
        base: The services below, usually the catalogue.
        own: The owner's services, by id.
    """

    def __init__(self, base: Mapping[str, Service], own: Mapping[str, Service]) -> None:
        self.base = base
        self.own = own

    def __getitem__(self, id_: str) -> Service:
        """Return the service with an id."""
        service = self.own.get(id_)
        return self.base[id_] if service is None else service

    def __contains__(self, id_: object) -> bool:
        """Whether a service has the id."""
        return id_ in self.own or id_ in self.base

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids, those of the base first."""
        yield from self.base
        yield from (id_ for id_ in self.own if id_ not in self.base)

    def __len__(self) -> int:
        """Return the number of services."""
        return len(self.base) + sum(1 for id_ in self.own if id_ not in self.base)


def parts_of(known: Mapping[str, Service]) -> tuple[ServiceIndex | None, Mapping[str, Service]]:
    """Return the index that services come from (None if they come from none), and the services on top of it."""
    if isinstance(known, ServiceIndex):
        return known, {}
    if isinstance(known, WithOwn) and isinstance(known.base, ServiceIndex):
        return known.base, known.own
    return None, known


def marks_of(known: Mapping[str, Service], field: str) -> Iterator[tuple[str, str]]:
    """Yield the texts in a field of all services, each with the id of its service, without creating the services."""
    index, own = parts_of(known)
    yield from ((text, service.id) for service in own.values() for text in getattr(service, field))
    if index is not None:
        yield from ((text, id_) for text, id_ in index.marks(field) if id_ not in own)


def host_rules_near(known: Mapping[str, Service], rule: str) -> Iterator[tuple[str, str]]:
    """Yield the host rules of all services that may match the same address as a rule, with the services' ids."""
    index, own = parts_of(known)
    yield from ((text, service.id) for service in own.values() for text in service.hosts)
    if index is not None:
        yield from ((text, id_) for text, id_ in index.host_rules_near(rule) if id_ not in own)


def is_tracker(known: Mapping[str, Service], id_: str) -> bool:
    """Return whether a service can never be necessary."""
    index, own = parts_of(known)
    return own[id_].tracker if id_ in own else index is not None and id_ in index.trackers
