"""
The guard in a page: code that holds tags and requests created by scripts at run time, with its list of hosts.

The code is identical in every page (``static/guard.js``), so that a policy can allow its hash; the list is in an
attribute. It contains the declared services that the visitor has not granted, followed by hosts of common undeclared
trackers, up to a size limit, since the list adds to the size of the page.

A visitor who has chosen will view more pages. They link to a file that browsers keep (:attr:`GuardCode.file`), with the
code and the list of a visitor who has granted nothing; the page names what is granted, and ``static/hosts.js`` takes it
out of the list. So the number of a site's services and hosts adds nothing to these pages.

The list consists of groups ``ids=pattern``, separated by spaces. The guard tries them in order on ``host/path?query``;
the first pattern that matches determines the services that must all be granted. No ids mean that the URL may load: a
granted service may use a path on the host of one that is not granted. ``-`` marks services that no visitor is asked
about. A site in learning mode lists their ids instead, since it may discover them in the page. A pattern is a regular
expression in which a dot is literal; it matches from the start of a label.

The guard decides as :class:`consent_mw.html.match.Matcher` does for the same rules, with one exception: if path rules
of two services match a URL, only the first applies.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from consent_mw.catalogue.definitions import joined
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.html.service_index import parts_of
from consent_mw.html.urls import ascii_host
from consent_mw.html.urls import registrable_name
from consent_mw.html.urls import without_suffix
from consent_mw.notice.assets import Assets
from consent_mw.notice.assets import short_hash
from consent_mw.notice.escaping import escape
from consent_mw.notice.page_facts import FirstPage

__all__ = ["CODE", "COMMON", "NO_HOSTS", "UNASKED", "GuardCode", "host_list"]

#: The file with the code of the guard, and the code that fills in its list from the same file.
CODE = "guard.js"
FILLING = "hosts.js"
#: The place of the list in that code, and the beginning of the path of the file that contains both.
_PLACE = '"(hosts)"'
_BEGINNING = f"assets/{CODE.partition('.')[0]}."

#: The compressed size of a list in a page, in bytes, up to which undeclared hosts are added. A file may have all.
BUDGET = 280
#: The placeholder for services that no visitor is asked about.
UNASKED = "-"
#: A list that matches no URL: the guard then only removes the page's key from markup that scripts insert.
NO_HOSTS = "=(?!)"
#: The most sets of grants for which the list is cached; a full cache is cleared.
_KEPT = 64

#: The catalogue's rules for trackers that sites' own scripts load most often, most frequent first.
COMMON = (
    "google-analytics.com",
    "googletagmanager.com",
    "connect.facebook.net",
    "doubleclick.net",
    "googleadservices.com",
    "googlesyndication.com",
    "facebook.com/tr?",
    "facebook.com/tr/",
    "analytics.google.com",
    "clarity.ms",
    "bat.bing.com",
    "hotjar.com",
    "analytics.tiktok.com",
    "snap.licdn.com",
    "ads.linkedin.com",
    "ct.pinterest.com",
    "s.pinimg.com/ct/",
    "ads-twitter.com",
    "analytics.twitter.com",
    "criteo.com",
    "criteo.net",
    "sc-static.net",
    "tr.snapchat.com",
    "amazon-adsystem.com",
    "taboola.com",
    "hs-scripts.com",
    "hs-analytics.net",
    "segment.com",
    "segment.io",
    "mixpanel.com",
    "amplitude.com",
    "heapanalytics.com",
    "fullstory.com",
    "mouseflow.com",
    "crazyegg.com",
    "scorecardresearch.com",
    "quantserve.com",
    "adnxs.com",
    "demdex.net",
    "adsrvr.org",
)

#: The pattern for the ".*" of "name.*". To save bytes it is slightly wider than SECOND_LEVEL in html/urls.py: it
#: accepts any two to four characters that start like one of those labels.
_SUFFIX = r"(\.[acegolnp]\w{1,3}\.[^./]{2}|\.[^./]+)"
#: Folders for languages and versions are merged into one pattern: ``host/de_DE/sdk``, ``host/en_US/sdk`` and so on.
_VARIED_FOLDER = re.compile(r"^([^/]+)/(?:[a-z]{2,3}_[A-Z]{2}|v\d+\.\d+)/")
_ANY_FOLDER = "\0"
_SPECIAL = re.compile(r"[\\^$*+?()\[\]{}|]")
_ENDS_WORD = re.compile(r"[A-Za-z0-9]\Z")

_Ids = frozenset[str]


class _Rule(NamedTuple):
    """A host or path rule, with the services that must be granted; none if the URL may load."""

    host: str
    path: str
    ids: _Ids

    @property
    def order(self) -> tuple[int, int, bool, str, str]:
        """The sort key by precedence: the longest path first, then the more specific subdomain."""
        return (
            -len(self.path),
            -len(without_suffix(self.host).split(".")),
            self.host.endswith("*"),
            self.host,
            self.path,
        )

    @property
    def family(self) -> str:
        """The registrable name; rules with different ones never overlap."""
        return registrable_name(self.host)

    def meets(self, other: _Rule) -> bool:
        """Whether a URL can match both rules."""
        paths = self.path.startswith(other.path) or other.path.startswith(self.path)
        return paths and (_within(self.host, other.host) or _within(other.host, self.host))

    def covered(self, other: _Rule) -> bool:
        """Whether ``other`` matches every URL that this rule matches; a site's own host needs a rule with a path."""
        path = self.path.startswith(other.path) and (bool(other.path) or not self.path)
        return path and "*" not in self.host + other.host and _within(self.host, other.host)

    @property
    def pattern(self) -> str:
        """The rule as a pattern for the guard."""
        path = _SPECIAL.sub(r"\\\g<0>", self.path).replace(_ANY_FOLDER, "[^/]+")
        if not self.host:
            return f"[^]*{path}" + ("(?![^?#&/])" if _ENDS_WORD.search(path) else "")
        return self.host.replace(".*", _SUFFIX.replace(r"\.", ".")) + (path or "/")


def _within(host: str, other: str) -> bool:
    """Whether ``host`` is ``other`` or a subdomain of it; ``name.*`` may be any host that it matches."""
    if host.endswith("*") or other.endswith("*"):
        host, other = without_suffix(host), without_suffix(other)
    return f".{host}".endswith(f".{other}")


def _rules(service: Service, ids: _Ids) -> Iterator[_Rule]:
    # Rules for URL parameters of scripts apply only on the server.
    yield from _read((*service.hosts, *(path for path in service.paths if path.startswith("/"))), ids)


def _read(texts: Iterable[str], ids: _Ids) -> Iterator[_Rule]:
    """Parse rules in the catalogue's syntax, without duplicates."""
    for text in dict.fromkeys(_VARIED_FOLDER.sub(rf"\1/{_ANY_FOLDER}/", text) for text in texts):
        host, slash, path = text.partition("/")
        yield _Rule(host if host.endswith("*") else ascii_host(host), slash + path, ids)


def _merged(rules: Iterable[_Rule]) -> list[_Rule]:
    """Return one rule for each host and path, which requires all of its services to be granted."""
    ids: dict[tuple[str, str], _Ids] = {}
    for host, path, wanted in rules:
        ids[host, path] = ids.get((host, path), frozenset()) | wanted
    merged = [_Rule(host, path, wanted) for (host, path), wanted in ids.items()]
    # "name.com" and "name.*" have the same precedence, so both apply.
    stars = [(re.compile(re.escape(rule.host[:-2]) + _SUFFIX), rule) for rule in merged if rule.host.endswith("*")]
    return [
        rule._replace(
            ids=rule.ids.union(
                *(star.ids for host, star in stars if star.path == rule.path and host.fullmatch(rule.host))
            )
        )
        for rule in merged
    ]


def _needed(rules: Iterable[_Rule]) -> list[_Rule]:
    """Return the rules of one family by precedence, without redundant ones."""
    kept: list[_Rule] = []
    for rule in sorted(rules, key=lambda rule: rule.order, reverse=True):
        met = [other for other in kept if rule.meets(other)]
        if rule.ids:
            needless = all(other.ids == rule.ids for other in met) and any(map(rule.covered, met))
        else:
            needless = not any(other.ids for other in met)
        if not needless:
            kept.append(rule)
    return kept[::-1]


def _groups(rules: Iterable[_Rule]) -> str:
    """Group the rules of the same services, as far as the order of overlapping rules allows."""
    families: dict[str, list[_Rule]] = {}
    merged = _merged(rules)
    on_every_host = [rule.path for rule in merged if not rule.host and not _ENDS_WORD.search(rule.path)]
    # By precedence, path rules first. On a site's own host only rules with a path apply, so they are separate.
    groups: dict[tuple[int, _Ids, bool], list[_Rule]] = {}
    for rule in merged:
        if rule.host and rule.path and any(path in rule.path for path in on_every_host):
            continue  # a path rule always decides first
        if rule.host:
            families.setdefault(rule.family, []).append(rule)
        else:
            groups.setdefault((-1, rule.ids, True), []).append(rule)
    for family in families.values():
        before: list[tuple[_Rule, int]] = []
        for rule in _needed(family):
            place = max((at + 1 for other, at in before if other.ids != rule.ids and rule.meets(other)), default=0)
            before.append((rule, place))
            groups.setdefault((place, rule.ids, bool(rule.path)), []).append(rule)
    return " ".join(_group(group) for _, group in sorted(groups.items(), key=lambda item: item[0][0]))


def _group(rules: list[_Rule]) -> str:
    return f"{','.join(sorted(rules[0].ids))}={'|'.join(rule.pattern for rule in rules)}"


def host_list(
    services: Iterable[Service],
    allowed: frozenset[str],
    common: Sequence[_Rule] = (),
    needed: Callable[[str], Iterable[_Rule]] = lambda family: (),
    budget: float = 0,
) -> str:
    """
    Return the list for the guard; empty if nothing is held.

    Args:
        services: The declared services.
        allowed: The ids of the services that may run.
        common: Rules for hosts of undeclared trackers, which are held too, up to the size limit.
        needed: Returns the rules of undeclared services that may run, by family; only those on the host of a held
            service or on its subdomains are used.
        budget: The size limit for the list with these, in compressed bytes.
    """
    running: list[_Rule] = []
    held: list[_Rule] = []
    # Names of one vendor are similar, and compress best next to each other.
    for service in sorted(services, key=lambda service: (service.vendor, service.id)):
        if service.id in allowed:
            running += _rules(service, frozenset())
        else:
            held += _rules(service, frozenset({service.id}))
    if not held and not common:
        return ""
    begun = _groups(held)

    def size(count: int) -> int:
        names = sorted({id_ for rule in common[:count] for id_ in rule.ids})
        text = f"{begun} {' '.join(f'{name}=' for name in names)}{'|'.join(rule.pattern for rule in common[:count])}"
        return len(zlib.compress(text.encode(), 9))

    held += common[: bisect_right(range(1, len(common) + 1), budget, key=size)]
    families: dict[str, list[_Rule]] = {}
    for rule in held:
        families.setdefault(rule.family, []).append(rule)
    # A path rule applies to every host.
    running = [
        rule for rule in running if not rule.host or any(rule.meets(other) for other in families.get(rule.family, ()))
    ]
    for family, others in families.items():
        running += [
            rule
            for rule in needed(family)
            if any(rule.meets(other) and _within(rule.host, other.host) for other in others)
        ]
    return _groups([*held, *running])


class GuardCode:
    """
    The guard for a site's pages; created once and shared between threads.

    Args:
        site: The current site; a site that has learned a service needs a new one.
        assets: The static files.
    """

    def __init__(self, site: Site, assets: Assets) -> None:
        self._index, self._definitions = parts_of(joined(site.definitions))
        self._path = assets.path(CODE)
        self._code = assets.read(CODE).decode("ascii")
        self._filling = assets.read(FILLING).decode("ascii")
        self._asked = frozenset(service.id for service in site.optional)
        self._guards = site.guard
        # Anyone who reads a cached page knows its key.
        self._key_only = not site.guard and site.caching != "private"
        self._site = site
        self._own = {**self._definitions, **site.by_id}
        self._own_needed = [one for one in self._definitions.values() if one.necessary and one.id not in site.by_id]
        self._necessary = frozenset(service.id for service in site.services if service.necessary)
        self._common = [
            rule
            for host, owner in ((host, self._owner(host)) for host in COMMON)
            if owner and owner not in site.by_id  # the owner's entry may have different hosts
            # A site in learning mode may discover them in this page, and ask about them in it.
            for rule in _read((host,), frozenset({owner if site.learning else UNASKED}))
        ]
        self._managers = [service for service in site.optional if service.manager and service.id in self._asked]
        self._lists: dict[frozenset[str], str] = {}

    def _owner(self, rule: str) -> str:
        """Return the id of the service that has a host rule; empty if there is none."""
        for service in self._definitions.values():
            if rule in service.hosts:
                return service.id
        if self._index is None:
            return ""
        host, slash, path = rule.partition("/")
        found = (id_ for prefix, id_ in self._index.on_host(host) if prefix == slash + path)
        ids = [id_ for id_ in found if id_ not in self._definitions]
        return ids[-1] if ids else ""

    def _needed(self, family: str) -> Iterator[_Rule]:
        """Yield the rules of undeclared necessary services under a registrable name."""
        if self._index is not None:
            near = self._index.necessary_near(family)
            yield from _read((rule for rule, id_ in near if id_ not in self._own), frozenset())
        for service in self._own_needed:
            yield from (rule for rule in _rules(service, frozenset()) if rule.family == family)

    def hosts(self, granted: frozenset[str], purposes: frozenset[str] | None = None) -> str:
        """
        Return the host list for a visitor with these grants; empty if nothing needs to be held.

        A tag manager that runs for only some of its purposes is not fully granted: it must not load undeclared
        services.

        Args:
            granted: The ids of the granted services.
            purposes: The granted purposes; None if managers with a grant are fully granted.
        """
        granted &= self._asked
        if self._needless(granted, purposes):
            return ""
        if not self._guards:
            return NO_HOSTS
        found = self._lists.get(granted)
        if found is None:
            found = self._listed(granted | self._necessary, BUDGET)
            if len(self._lists) >= _KEPT:
                self._lists.clear()
            self._lists[granted] = found
        return found

    @cached_property
    def file(self) -> tuple[str, bytes]:
        """The path, below the mount, and the content of the file for visitors who have chosen, with its own list."""
        hosts = self._listed(self._necessary, math.inf)
        content = f"{self._filling.replace(_PLACE, json.dumps(hosts))};{self._code}".encode("ascii")
        return f"{_BEGINNING}{short_hash(content)}.js", content

    def find(self, path: str) -> tuple[bytes, bool] | None:
        """
        Return the content for a path that may be of :attr:`file`, and whether it is exactly that; None for others.

        While a site learns or a new version is rolled out, another process may have made the page. The list of this
        process is nearly the same, and better than none.
        """
        made, content = self.file
        return (content, path == made) if path.startswith(_BEGINNING) and path.endswith(".js") else None

    def markup(self, page: FirstPage) -> bytes:
        """
        Return the script to insert first in the head, before everything else.

        It is empty if everything may run, or if the page's policy allows neither inline nor linked scripts.
        """
        decision = page.decision
        inline = page.inline and not page.xml and (decision.prompt or not page.linked)
        if self._needless(decision.granted & self._asked, decision.purposes) or not (inline or page.linked):
            return b""
        path = self._path
        if decision.prompt or not page.linked or not self._guards:
            attributes = f'data-cmw-hosts="{escape(self.hosts(decision.granted, decision.purposes))}"'
        else:
            # A visitor who has chosen will view more pages, so code and list come from a cached file.
            path = self.file[0]
            granted = ",".join(sorted(decision.granted & self._asked))
            attributes = 'data-cmw-hosts=""' + (f' data-cmw-granted="{escape(granted)}"' if granted else "")
        if page.nonce:
            attributes += f' nonce="{escape(page.nonce)}"'
        if inline:
            script = f"<script {attributes}>{self._code}</script>"
        else:
            # The script blocks the parser, so that it still runs first.
            script = f'<script {attributes} src="{escape(f"{page.root}/{path}")}"></script>'
        return script.encode("ascii", "xmlcharrefreplace")

    def _listed(self, allowed: frozenset[str], budget: float) -> str:
        return host_list(self._site.services, allowed, self._common, self._needed, budget)

    def _needless(self, granted: frozenset[str], purposes: frozenset[str] | None) -> bool:
        """Return whether nothing needs to be held for a visitor with these grants, of services that are asked about."""
        if not self._guards:
            return not self._key_only or granted == self._asked
        partly = purposes is not None and any(
            service.id in granted and not purposes.issuperset(service.purposes) for service in self._managers
        )
        return granted == self._asked and not partly
