"""
Judges strangers: whether an unknown third party looks like a tracker.

Theory of operation
-------------------

No catalogue is complete. A *stranger* is a third party that neither the catalogue nor the site describes. Trackers have
enough in common to distinguish most of them from the scripts that a site needs: the names of their hosts and files, an
account in the address, and that they deliver nothing visible.

:mod:`consent_mw.html.signs` has the table of signs. An address with :data:`ENOUGH` points or more is a suspect.

The strongest sign is not in the address. A domain that also delivers style sheets, fonts or pictures to this site's
pages, or whose name resembles the site's, is part of the site's delivery, and not a suspect whatever its files are
called. :class:`Delivery` remembers such domains and hosts, but neither pages nor visitors. It is bounded and only
grows, so a judgement can change once, from suspect to the site's own.

A new process knows nothing yet. It may hold a few of the site's own scripts on the first pages, until it has seen a
style sheet or a picture from the same domain, usually earlier in the same page. The opposite, to let strangers run
until enough is known, would cause harm that cannot be undone.

The site's own domains deliver trackers, too. For them only the name of the file counts, and only if it is
unambiguous: :func:`~consent_mw.html.signs.tracker_file`. Such a file is held under its name, so that nothing else from
the domain is held.

An address may contain a host that the catalogue knows (``www.google-analytics.com.proxy.example``, or an archive with
the original address in its path). That says nothing about its own host, so the cited name is removed before the words
are looked up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Set
from typing import NamedTuple

from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.html.signs import Opinion
from consent_mw.html.signs import address_of
from consent_mw.html.signs import describes_picture
from consent_mw.html.signs import is_about_sign_in
from consent_mw.html.signs import is_tracking_word
from consent_mw.html.signs import opinion
from consent_mw.html.signs import tracker_file
from consent_mw.html.signs import without_cited
from consent_mw.html.urls import RENTED
from consent_mw.html.urls import Url
from consent_mw.html.urls import site_of

#: The points that make an address a suspect.
ENOUGH = 4
#: Weak signs count if they add up to so many points.
_ADDED_UP = 3
#: The points of a domain that is not part of the site's delivery.
ALONE = 3
#: The most strangers that visitors are asked about by name; further ones are held as one unknown service.
_MOST_STRANGERS = 40
#: The most domains that are remembered; further ones are judged by their addresses alone.
_MOST_DOMAINS = 2048
#: Shorter names are not compared with the site's name.
_SHORTEST_NAME = 4
#: The most letters that may follow a shorter one.
_LONGEST_REST = 4
_FILE_NAME = re.compile(r"[a-z0-9.]{4,40}")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
#: A picture that a page repeats in noscript because of lazy loading has a name and no query.
_NAMED_PICTURE = re.compile(r"[^?]*/[^/?]{4,}\.(?:png|svg)\Z")
#: A picture that is a file. Server-side scripts that respond with a picture have other names.
_PICTURE_FILE = re.compile(r"\.(?:gif|png|jpe?g|svg|webp|avif|ico|bmp)\Z", re.I)

#: Prefixes of the ids of strangers; the domain or the name of the file follows.
STRANGER = "host-"
STRANGE_FILE = "file-"


class StrangeElement(NamedTuple):
    """The facts about an element that its judgement depends on."""

    #: It loads something visible: a style sheet, a font, a picture.
    is_seen: bool = False
    #: It is of a kind that is judged at all: a script, a frame, an invisible picture.
    judged: bool = False
    is_frame: bool = False
    is_pixel: bool = False
    #: It counts as a pixel only because it is in a noscript element and has no size.
    is_unsized: bool = False
    #: Its alternative text describes something that is seen.
    is_described: bool = False
    is_async: bool = False
    #: The names of a script's data attributes, without "data-".
    data: frozenset[str] = frozenset()


def element_of(
    name: bytes, attributes: Set[bytes], text: str, *, is_pixel: bool, is_unsized: bool = False
) -> StrangeElement:
    """
    Return the facts about an element that its judgement depends on.

    Args:
        attributes: The names of its attributes.
        text: The rel attribute of a link, or the alternative text of a picture that may be a pixel.
        is_pixel: It is an invisible picture.
        is_unsized: It counts as one only because it is in a noscript element and has no size.
    """
    if name == b"link":
        words = text.lower().split()
        return StrangeElement(is_seen="stylesheet" in words or "icon" in words)
    if name in (b"img", b"image", b"source", b"video"):
        return StrangeElement(
            is_seen=not is_pixel,
            judged=is_pixel,
            is_pixel=is_pixel,
            is_unsized=is_unsized,
            is_described=is_pixel and describes_picture(text),
        )
    if name in (b"iframe", b"frame", b"object", b"embed"):
        return StrangeElement(judged=True, is_frame=True)
    if name != b"script":
        return StrangeElement()
    data = frozenset(each[5:].decode("latin-1") for each in attributes if each.startswith(b"data-"))
    return StrangeElement(judged=True, is_async=b"async" in attributes, data=data)


class Delivery:
    """
    The domains that are part of a site's delivery, learned from its pages.

    Threads share it without a lock: a race costs at most a repeated judgement.

    Args:
        own: Domains that the owner declares as the site's own.
    """

    def __init__(self, own: frozenset[str] = frozenset()) -> None:
        self._own = set(own)
        #: The hosts that deliver visible content.
        self._hosts: set[str] = set()
        #: Changes when a domain is no longer held, which invalidates cached answers. Nothing else that is learned
        #: changes an answer.
        self.version = 0
        #: The reason why each stranger is held, by id.
        self.reasons: dict[str, str] = {}
        #: The entry of ``allow_hosts`` that would let each stranger run, by id.
        self.addresses: dict[str, str] = {}

    def saw(self, host: str) -> None:
        """Record that a style sheet, a font or a visible picture comes from ``host``."""
        if len(self._hosts) < _MOST_DOMAINS:
            self._hosts.add(host)
        domain = site_of(host)
        if domain in self._own or len(self._own) >= _MOST_DOMAINS:
            return
        self._own.add(domain)
        self.version += stranger_id(host) in self.reasons or len(self.reasons) >= _MOST_STRANGERS

    def is_own(self, host: str, page_host: str) -> bool:
        """Whether ``host`` is part of the site of the page on ``page_host``."""
        domain = site_of(host)
        return domain in self._own or _named_alike(domain, site_of(page_host))

    def judge(self, element: StrangeElement, url: Url, page_host: str, knows: Callable[[str], bool]) -> str:
        """
        Return the id under which a stranger is held, or an empty string if it is not held; learn from its element.

        Args:
            url: An address on another site that no rule matches.
            knows: Returns whether the catalogue has a rule for a host.
        """
        if element.is_seen:
            self.saw(url.host)
            return ""
        if not element.judged:
            return ""
        is_own = self.is_own(url.host, page_host)
        if is_own and element.is_pixel and not _tells(element, url):
            return ""
        if is_own and not element.is_pixel:
            path = url.rest.partition("?")[0]
            name = "" if element.is_frame else tracker_file(path)
            why = f"{name} (a file name that trackers use), delivered by the site's own {url.host}"
            return self._held(_file_id(name), why, url.host + path) if name else ""
        address = address_of(url, is_async=element.is_async, site=site_of(page_host), data=element.data)
        if element.is_frame:
            why = "a frame of an unknown third party"
        elif element.is_pixel:
            if is_about_sign_in(address) or (
                element.is_unsized
                and (element.is_described or _NAMED_PICTURE.match(url.rest.lower()))
                and not opinion(address).is_marked
            ):
                return ""
            why = "an invisible picture"
        else:
            found = opinion(address)
            # The points for delivering nothing else count only for an address with signs of its own.
            if not _is_enough(found):
                return ""
            found = opinion(without_cited(address, knows))
            if not _is_enough(found):
                return ""
            why = "; ".join([*found.reasons, "delivers nothing else to this site's pages"])
        domain = site_of(url.host)
        if url.host in self._hosts:
            # This host also delivers visible content, which a service of its own name would hold, too.
            return UNKNOWN_SERVICE
        # The domain of a pixel may turn out to deliver visible content, so only this host is held.
        # The tenants of a hosting provider's domain are unrelated to each other.
        alone = bool(RENTED.search(url.host)) or (
            element.is_pixel and (is_own or stranger_id(domain) not in self.reasons)
        )
        whose = url.host if alone else domain
        return self._held(_host_id(whose), why, whose)

    def adopt(self, ids: Iterable[str]) -> None:
        """Add strangers that visitors are already asked about because other processes found them."""
        for id_ in ids:
            self.reasons.setdefault(id_, "")

    def _held(self, id_: str, why: str, address: str) -> str:
        """Record why a stranger is held; return its id, or that of the unknown service if too many have names."""
        if not self.reasons.get(id_):
            if id_ not in self.reasons and len(self.reasons) >= _MOST_STRANGERS:
                return UNKNOWN_SERVICE
            self.addresses[id_] = address
            self.reasons[id_] = why
        return id_


def _is_enough(found: Opinion) -> bool:
    """Whether an address on a domain outside the site's delivery is a suspect; weak signs count if they add up."""
    return found.points + ALONE >= ENOUGH and (found.is_marked or found.points >= _ADDED_UP)


def _tells(element: StrangeElement, url: Url) -> bool:
    """
    Whether an invisible picture from the site's own delivery transmits something.

    A spacer is a file and has no query. A picture that its own markup makes invisible, and that has a query or is not
    named like a picture file, is a tracking pixel.
    """
    path, _, query = url.rest.partition("?")
    return not element.is_unsized and (bool(query) or not _PICTURE_FILE.search(path))


def _named_alike(domain: str, site: str) -> bool:
    """
    Whether the names of two domains resemble each other: ``shopcdn.example`` and ``shop.example``.

    A name of three letters may begin another by chance, so only a few letters may follow it, and no word of tracking.
    """
    one, other = (re.sub(r"[^a-z0-9]", "", name.partition(".")[0]) for name in (domain, site))
    short, long = sorted((one, other), key=len)
    if short == long or len(short) >= _SHORTEST_NAME:
        return bool(short) and short in long
    rest = long[len(short) :]
    return (
        len(short) == _SHORTEST_NAME - 1
        and long.startswith(short)
        and len(rest) <= _LONGEST_REST
        and not is_tracking_word(rest)
    )


def stranger_id(host: str) -> str:
    """Return the id under which a stranger is held, made from its registrable domain."""
    return _host_id(site_of(host))


def _host_id(host: str) -> str:
    """Return the id under which a single host is held."""
    return STRANGER + host.replace("-", "--").replace(".", "-")


def _file_id(name: str) -> str:
    """Return the id under which a tracker's file is held."""
    return STRANGE_FILE + re.sub(r"[^a-z0-9.]", ".", name.lower()).replace(".", "-")


def file_of_stranger(id_: str) -> str:
    """Return the file name in a stranger's id; empty for other ids."""
    name = id_.removeprefix(STRANGE_FILE).replace("-", ".")
    return name if id_.startswith(STRANGE_FILE) and name.endswith(".js") and _FILE_NAME.fullmatch(name) else ""


def host_of_stranger(id_: str) -> str:
    """Return the domain or the single host in a stranger's id; empty for other ids."""
    if not id_.startswith(STRANGER):
        return ""
    name = id_.removeprefix(STRANGER).replace("--", "\0").replace("-", ".").replace("\0", "-")
    return name if _HOST_NAME.fullmatch(name) and _host_id(name) == id_ else ""
