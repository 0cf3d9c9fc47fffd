"""
Finds the service that a URL, a piece of code, an element or a cookie belongs to.

A :class:`Matcher` is created once from the catalogue and the declared services;
after that a request only does look-ups. It knows nothing about consent: it
returns services, and :mod:`consent_mw.html.rewriter` decides what to hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import KeysView
from collections.abc import Mapping
from functools import cached_property
from threading import Lock
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from consent_mw.core.cache import BoundedCache
from consent_mw.core.globs import Globs
from consent_mw.core.model import Service
from consent_mw.html import scan
from consent_mw.html.code import Code
from consent_mw.html.code import CodeMatcher
from consent_mw.html.code import Ids
from consent_mw.html.places import Places
from consent_mw.html.service_index import Pairs
from consent_mw.html.service_index import WithOwn
from consent_mw.html.service_index import parts_of
from consent_mw.html.service_index import split_host_rule
from consent_mw.html.syntax import Syntax
from consent_mw.html.syntax import matters_by_name
from consent_mw.html.syntax import syntax_for
from consent_mw.html.tag_ids import TagIds
from consent_mw.html.tag_ids import prefix_of
from consent_mw.html.urls import RENTED
from consent_mw.html.urls import Url
from consent_mw.html.urls import data_url
from consent_mw.html.urls import public_suffix_length
from consent_mw.html.urls import resolutions
from consent_mw.html.urls import site_of

#: The limits of the cache of pages (whether rules reach their relative addresses): in pages, and bytes of addresses.
_KEPT_PAGES, _KEPT_PAGES_SIZE = 512, 262_144
#: The size of the cache of hosts, in bytes; when it is full, it is emptied.
_CACHED_HOSTS = 2_097_152
#: The assumed size of an entry without the host itself, in bytes.
_ENTRY = 300

_NO_PAGE = Url("https", "", "/")

#: A dot segment, or something that may become one.
_DOTTED = re.compile(r"/\.|%2e", re.I)
_SLASH = re.compile("/")
_RULE_END = re.compile(r"[A-Za-z0-9]\Z")
_ELEMENT_NAME = re.compile(r"[a-z][a-z0-9:-]*")
_CONDITION = re.compile(r"\[([a-z][a-z0-9_:-]*)(?:([*~]?=)([^\]]*))?\]")
#: The placeholders in a shape: a capital letter, a digit, a hexadecimal digit.
_SHAPES = {"A": "[A-Z]", "9": "[0-9]", "h": "[0-9a-fA-F]"}
#: The number of first characters by which path rules are looked up.
_BEGINNING = 5


#: The purposes of services that do not track, and so are not third parties to their vendor's own site.
_FOLLOWS_NOBODY = frozenset({"necessary", "preferences", "embeds"})


def _shape(text: str) -> str:
    """Return the regular expression for a shape."""
    return "".join(_SHAPES.get(char) or re.escape(char) for char in text)


class ElementRule:
    """
    A rule ``name[attr=value]`` of a service, for markup that a library turns into requests.

    There may be several conditions, and all must hold: ``[attr]``: the attribute exists, ``[attr=value]``: it has that
    value, ``[attr*=part]``: its value contains a part, ``[attr~=hhhh-AA99]``: its value has a shape, with a hexadecimal
    digit for each h, a capital letter for each A, and a digit for each 9.
    """

    __slots__ = ("attribute", "conditions", "id", "name")

    def __init__(self, text: str, service: str) -> None:
        element = _ELEMENT_NAME.match(text)
        self.id = service
        self.name = (element.group() if element else "").encode()
        self.conditions = tuple(
            (attribute.encode(), operator, _shape(value) if operator == "~=" else value.strip("\"'"))
            for attribute, operator, value in _CONDITION.findall(text)
        )
        #: The attribute of the first condition, or empty.
        self.attribute = self.conditions[0][0] if self.conditions else b""

    @property
    def mark(self) -> tuple[str, str] | None:
        """The attribute of the first condition and a part that its value must contain; None without a condition."""
        if not self.conditions:
            return None
        attribute, operator, text = self.conditions[0]
        return attribute.decode(), "" if operator == "~=" else text

    def fits(self, value_of: Callable[[bytes], str | None]) -> bool:
        """
        Return whether an element of that name meets the conditions.

        Args:
            value_of: Returns the value of an attribute, or None if it is missing.
        """
        for attribute, operator, wanted in self.conditions:
            value = value_of(attribute)
            if value is None or (operator == "=" and value != wanted) or (operator == "*=" and wanted not in value):
                return False
            if operator == "~=" and not re.fullmatch(wanted, value):
                return False
        return True


class PathRule(NamedTuple):
    """A path that identifies a service on any host: ``/gtm.js``."""

    path: str
    id: str

    def fits(self, text: str) -> bool:
        """Return whether ``text`` contains the path; a path that ends in a letter or digit must not continue there."""
        at = text.find(self.path)
        if not _RULE_END.search(self.path):
            return at >= 0
        while at >= 0:
            after = at + len(self.path)
            if after == len(text) or text[after] in "?#&/":
                return True
            at = text.find(self.path, at + 1)
        return False


class Matcher:
    """
    The compiled rules of a set of services.

    Args:
        services: The services; a later one replaces an earlier one with the same id.
        known: Further services that precede these: the catalogue, whose rules are already indexed.
    """

    def __init__(self, services: Iterable[Service], known: Mapping[str, Service] | None = None) -> None:
        declared = {service.id: service for service in services}
        index, defined = parts_of(known or {})
        own = {**defined, **declared}
        self.services: Mapping[str, Service] = own if index is None else WithOwn(index, own)
        #: Services that the owner declares are held even on the vendor's own site.
        self._declared = frozenset(declared if known else ())
        self._own = own
        self._index = index
        self._exact: dict[str, Pairs] = {}
        self._any_suffix: dict[str, Pairs] = {}
        self.elements: dict[bytes, list[ElementRule]] = {}
        for service in own.values():
            for text in service.hosts:
                host, prefix, wild = split_host_rule(text)
                (self._any_suffix if wild else self._exact).setdefault(host, []).append((prefix, service.id))
        for text, id_ in self._rules("elements"):
            rule = ElementRule(text, id_)
            self.elements.setdefault(rule.name, []).append(rule)
        #: The attributes for which a rule applies to any element.
        self.ruled_attributes = frozenset(rule.attribute for rule in self.elements.get(b"", ()))
        self._cookies = Globs((cookie, service.id) for service in own.values() for cookie in service.cookies)
        rules = self._rules("paths")
        paths = [(path, id_) for path, id_ in rules if path.startswith("/")]
        self._paths = [PathRule(path, id_) for path, id_ in paths]
        #: Path rules by their first characters, and the lengths of these keys.
        self._begun_paths: dict[str, tuple[str, ...]] = {}
        for path, _ in paths:
            self._begun_paths[path[:_BEGINNING]] = (*self._begun_paths.get(path[:_BEGINNING], ()), path)
        self._beginnings = sorted(set(map(len, self._begun_paths)))
        tags = [text for text, _ in rules if text.startswith("?")]
        self._tags = TagIds([(text[1:], id_) for text, id_ in rules if text.startswith("?")])
        # A preload has the id in its address, too: in the query or in the path.
        tag_texts = [text for tag in tags for text in (tag, "/" + prefix_of(tag))]
        self._path_texts = [path for path, _ in paths] + tag_texts
        self._folders = frozenset(path[: at + 1] for path, _ in paths for at, c in enumerate(path) if c == "/" and at)
        #: The path rules with a query, without that query; and their file names.
        self._files = tuple(path.partition("?")[0] for path, _ in paths if "?" in path)
        self._file_names = frozenset(path.rpartition("/")[2] for path in self._files)
        self._longest_folder = max(map(len, self._folders), default=0)
        self._compiling = Lock()
        self._own_pages: BoundedCache[tuple[str, str], tuple[bool, bool]] = BoundedCache(_KEPT_PAGES, _KEPT_PAGES_SIZE)
        self._host_cache: dict[str, Pairs] = {}
        self._host_room = _CACHED_HOSTS
        self._code = CodeMatcher(self.services, own, self.resolved, self._begun, index)

    def _rules(self, field: str) -> Pairs:
        """Return all rules of one kind with the ids of their services, in the order of the services."""
        index = self._index
        own = [(text, service.id) for service in self._own.values() for text in getattr(service, field)]
        if index is None:
            return own
        found = [(position, text, id_) for text, id_, position in index.rules(field) if id_ not in self._own]
        if own:
            found += [(index.position(id_), text, id_) for text, id_ in own]
            found.sort(key=lambda rule: rule[0])
        return [(text, id_) for _, text, id_ in found]

    def element_rules(self, name: bytes, attributes: KeysView[bytes]) -> list[ElementRule]:
        """Return the rules that may apply to an element with this name and attributes, in their order."""
        elements, ruled = self.elements, self.ruled_attributes
        rules = elements.get(name, ())
        # This is asked for each address of a tag, which may have many attributes. The view reads the smaller set.
        anywhere = () if attributes.isdisjoint(ruled) and b"" not in ruled else elements[b""]
        return [rule for rule in (*rules, *anywhere) if not rule.attribute or rule.attribute in attributes]

    @property
    def necessary(self) -> frozenset[str]:
        """The ids of the services that run without consent."""
        known = frozenset() if self._index is None else self._index.necessary.difference(self._own)
        return known.union(service.id for service in self._own.values() if service.necessary)

    def host_rules(self) -> Iterator[tuple[str, str]]:
        """Yield all rules for hosts with the ids of their services."""
        if self._index is not None:
            yield from ((rule, id_) for rule, id_ in self._index.host_rules() if id_ not in self._own)
        yield from ((rule, service.id) for service in self._own.values() for rule in service.hosts)

    @cached_property
    def syntax(self) -> Syntax:
        """The markup at which the tokenizer must stop for these rules."""
        return self.syntax_with(())

    def syntax_with(self, marks: tuple[tuple[str, str], ...]) -> Syntax:
        """
        Return the syntax for a tokenizer that also stops at these attributes if their value contains the text.

        Compiling the patterns takes a quarter of a second, and a site may learn its services one by one. So without the
        scanner in C there is one syntax for the embeds of all services, which stops more often than necessary.

        Args:
            marks: Pairs of attribute and text.
        """
        if scan.Scanner is None and marks:
            marks = tuple(sorted({*self._marks_of_places, *marks}))
        rules = [rule for rules in self.elements.values() for rule in rules]
        # Pages are full of div elements: the tokenizer stops only at those with the attribute of a rule.
        own = {(rule.attribute.decode(), "") for rule in rules if not rule.name}
        own |= {rule.mark for rule in rules if rule.name and rule.mark and not matters_by_name(rule.name.decode())}
        names = {rule.name.decode() for rule in rules if rule.name and not rule.mark}
        with self._compiling:
            return syntax_for(tuple(sorted(names)), tuple(self._path_texts), tuple(sorted(own)), marks)

    def prepare_places(self) -> None:
        """Compile the syntax for the embeds of all services in advance, if that is slow, so that no request waits."""
        if scan.Scanner is None:
            self.syntax_with(self._marks_of_places)

    @cached_property
    def _marks_of_places(self) -> tuple[tuple[str, str], ...]:
        ids = dict.fromkeys(id_ for _, id_ in self._rules("places"))
        return Places(self.services[id_] for id_ in ids).marks

    # -- URLs

    def _merged(self, own: Pairs, known: Pairs) -> Pairs:
        """Return the rules of the site and of the catalogue, in the order of their services."""
        found = [rule for rule in known if rule[1] not in self._own] if self._own else known
        if not own or not found or self._index is None:
            return own or found
        position = self._index.position
        return sorted([*found, *own], key=lambda rule: position(rule[1]))

    def _rules_on(self, labels: list[str], suffix: int) -> Pairs:
        """Return the rules for exactly this host, without the rules for its parent domains."""
        host, stem, index = ".".join(labels), ".".join(labels[:-suffix]), self._index
        here = self._merged(self._exact.get(host, []), [] if index is None else index.on_host(host))
        return here + self._merged(self._any_suffix.get(stem, []), [] if index is None else index.on_any_suffix(stem))

    def _rules_of(self, host: str) -> Pairs:
        """Return the (path prefix, service) pairs for ``host``, longest prefix first; a subdomain's own rule wins."""
        rules = self._host_cache.get(host)
        if rules is None:
            rules = []
            taken: set[str] = set()
            labels = host.split(".")
            suffix = public_suffix_length(labels)
            for start in range(len(labels)):
                here = self._rules_on(labels[start:], suffix)
                rules += [rule for rule in here if rule[0] not in taken]
                taken.update(prefix for prefix, _ in here)
            rules.sort(key=lambda rule: -len(rule[0]))
            self._host_room -= len(host) + 64 * len(rules) + _ENTRY
            if self._host_room < 0:
                self._host_cache.clear()
                self._host_room = _CACHED_HOSTS
            self._host_cache[host] = rules
        return rules

    def knows(self, host: str) -> bool:
        """Whether there is a rule for ``host`` (lower-case ASCII)."""
        return bool(self._rules_of(host))

    @property
    def has_paths(self) -> bool:
        """Whether there are path rules, which apply to every host."""
        return bool(self._paths)

    def _may_fit(self, text: str) -> bool:
        """Whether ``text`` contains the path of a rule; :meth:`PathRule.fits` decides whether the rule matches."""
        begun = self._begun_paths
        at = text.find("/")
        while at >= 0:
            for length in self._beginnings:
                paths = begun.get(text[at : at + length])
                if paths is not None and text.startswith(paths, at):
                    return True
            at = text.find("/", at + 1)
        return False

    def may_name(self, text: bytes) -> bool:
        """Whether a text with paths in it may contain one that a path rule matches."""
        return self.has_paths and self._may_fit(text.decode("latin-1"))

    def begins_in(self, path: str) -> bool:
        """Whether a path rule can start in the folder of ``path``, so that a relative reference may complete it."""
        if not self._folders:
            return False
        folder = path.partition("?")[0].rpartition("/")[0] + "/"
        tail = folder[-self._longest_folder :]
        return any(tail[at:] in self._folders for at, c in enumerate(tail) if c == "/" and at < len(tail) - 1)

    def depends_on(self, base: str) -> bool:
        """
        Whether path rules may treat a relative reference on this page differently than on other pages.

        That is the case if ``base`` itself contains the path of a rule, or if a rule can start in one of the folders
        that dot segments lead to, or in the file to which a reference adds a query.

        Args:
            base: Path and query of the page.
        """
        if not self._paths:
            return False
        path = base.partition("?")[0]
        if "\\" in base or _DOTTED.search(path) or self._may_fit(base):
            return True
        if path.rpartition("/")[2] in self._file_names and path.endswith(self._files):
            return True
        longest = self._longest_folder
        ends = (found.end() for found in _SLASH.finditer(path))
        return any(self.begins_in(path[max(0, end - longest) : end]) for end in ends)

    def own_pages(self, base: Url) -> tuple[bool, bool]:
        """
        Return whether plain relative references on a page match no rule, and whether that holds for all its pages.

        Args:
            base: The page's base URL, on its own host.
        """
        key = (base.host, base.rest)
        known = self._own_pages.get(key)
        if known is None:
            plain = not self.knows(base.host) and not self.begins_in(base.rest)
            known = (plain, plain and not self.depends_on(base.rest))
            self._own_pages.put(key, known)
        return known

    def path(self, raw: bytes) -> Ids:
        """Return the services whose path rules match a raw path without a host, relative or not."""
        if not self._paths:
            return ()
        text = raw.decode("latin-1")
        if text[:1] != "/":
            text = "/" + text
        return self._on_paths(text.partition("#")[0]) if self._may_fit(text) else ()

    def _on_paths(self, text: str) -> Ids:
        """Return the services whose path rules match a path with its query."""
        return tuple(dict.fromkeys([rule.id for rule in self._paths if rule.path in text and rule.fits(text)]))

    def tag(self, address: str) -> Ids:
        """
        Return the services whose tag a script's address requests, by the tag's id, on any host and path.

        Gateways serve vendors' tags from a path on the site, and pass the parameters on.
        """
        return self._tags.in_address(address)

    def resolved(self, url: Url, page_host: str = "") -> Ids:
        """
        Return the services that a request for ``url`` reaches.

        A host rule without a path does not apply to the page's own host: a
        vendor's own site is not a third party to itself. For a service that
        does not track, the same is true of the service's other hosts, and of
        hosts on the page's own domain.
        """
        if self._may_fit(url.rest) and (found := self._on_paths(url.rest)):
            return found
        longest = -1
        ids: list[str] = []
        own = url.host == page_host
        rules = self._rules_of(url.host)
        theirs = self._own_of(url.host, page_host, rules) if rules and page_host and not own else ()
        for prefix, id_ in rules:
            if len(prefix) < longest:
                break
            if url.rest.startswith(prefix) and not (own and not prefix) and id_ not in ids and id_ not in theirs:
                longest = len(prefix)
                ids.append(id_)
        return tuple(ids)

    def _own_of(self, host: str, page_host: str, rules: list[tuple[str, str]]) -> Container[str]:
        """Return the services that do not track and are first-party if a page on ``page_host`` requests ``host``."""
        if site_of(host) != site_of(page_host) or RENTED.search(host):
            rules = [rule for rule in self._rules_of(page_host) if not rule[0]]
        services = [self.services[id_] for _, id_ in rules if id_ not in self._declared]
        return [one.id for one in services if not one.tracker and _FOLLOWS_NOBODY.issuperset(one.purposes)]

    def url(self, url: str, base: Url = _NO_PAGE, page: Url | None = None) -> Ids:
        """
        Return the services that a request for ``url`` reaches.

        Args:
            url: A URL reference with its character references decoded.
            base: The base address.
            page: The address of the page, if a base element set another base.
        """
        found = (self.target(target, page or base) for target in resolutions(url, base))
        return next(filter(None, found), ())

    def target(self, target: Url, page: Url) -> Ids:
        """Return the services that a request for the resolved ``target`` reaches."""
        if target.host:
            return self.resolved(target, page.host)
        if target.scheme == "javascript":
            # If the code evaluates to a string, that becomes a document,
            # https://html.spec.whatwg.org/#the-javascript:-url-special-case
            code = unquote_to_bytes(target.rest)
            return tuple(sorted({*self.code(code, page), *self._code.anywhere(code, page.host)}))
        if target.scheme == "data":
            data = data_url(target.rest)
            if data.is_xml or data.kind == "text/html":
                return self._code.anywhere(data.body, page.host)
            texts = () if data.is_media else data.texts()
            return tuple(dict.fromkeys(id_ for text in texts for id_ in self.code(text, page)))
        return ()

    # -- code

    def script(self, text: bytes, base: Url = _NO_PAGE) -> Code:
        """Return the services that the script ``text`` loads or calls."""
        found = self._code.match(text, base.host, own=self.knows(base.host))
        tags = () if found.ids else self._tags.loaded_by(text)
        return found._replace(ids=tags) if tags else found

    def code(self, text: bytes, base: Url = _NO_PAGE) -> Ids:
        """Return all services that the script ``text`` loads or calls."""
        return self.script(text, base).all

    def addresses(self, text: bytes, base: Url = _NO_PAGE) -> Ids:
        """Return the services that the absolute addresses in ``text`` reach, in any syntax."""
        return self._code.addresses(text, base.host)

    def mentions(self, text: bytes, base: Url = _NO_PAGE) -> Ids:
        """Return the services with a signature, an address or a quoted host anywhere in ``text``, in any syntax."""
        return self._code.mentions(text, base.host)

    def handler(self, text: bytes, base: Url, *, by_visitor: bool) -> Ids:
        """
        Return the services whose addresses an event handler loads.

        Args:
            by_visitor: The event is an action of the visitor, who may intend to navigate; so navigation does not count.
        """
        return self._code.handler(text, base.host, by_visitor=by_visitor)

    def _begun(self, host: str, rest: str) -> Ids:
        """Return the services with a rule for ``host`` whose path starts with ``rest``."""
        begun = (id_ for prefix, id_ in self._rules_of(host) if len(rest) > 1 and prefix.startswith(rest))
        return tuple(dict.fromkeys(begun))

    # -- cookies

    def cookie(self, name: str) -> Ids:
        """Return the services that set a cookie called ``name``."""
        index = self._index
        known = [] if index is None else [id_ for id_ in index.cookie(name) if id_ not in self._own]
        return tuple(dict.fromkeys([*known, *self._cookies.values(name)]))
