"""
The domain of the provider behind an address, found in the background, and the address forgotten.

An address lives in memory only, from the request until its look-up ends:
nothing is remembered by address, and no message names one. Nobody waits for a
look-up; where too many wait already, or an answer takes too long, the provider
is unknown.

``ptr`` asks the name servers of the machine for the name of the address, and
believes it only when that name leads back to the address (RFC 1912 section
2.1). ``mmdb:FILE`` reads a local database, so that nobody outside hears of any
visitor.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import logging
import os
import re
import threading
import time
import unicodedata
import weakref
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING
from typing import Protocol

from consent_mw.core.counts import UNKNOWN
from consent_mw.core.model import RequestHead
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem

if TYPE_CHECKING:
    from dns.resolver import Resolver
    from maxminddb.reader import Reader
    from publicsuffixlist import PublicSuffixList

__all__ = ["IspLookup", "MmdbLookup", "PtrLookup", "client_address", "open_lookup"]

_log = logging.getLogger("consent_mw")

#: Look-ups that may wait; beyond these a provider is unknown.
WAITING = 256
#: Threads that ask name servers. Each waits most of the time.
ASKING = 4
#: Seconds for one question to one server, and for each of the two questions of a look-up.
PATIENCE = 1.0
LIFETIME = 2.0
#: Names of one address that are followed; more are an attempt to keep us busy.
MAX_NAMES = 4
#: Characters of an organisation's name.
MAX_SLUG = 48
#: Seconds between two looks whether the file of a database was replaced.
LOOK_AGAIN = 60.0
#: Records of a database that are looked at when the process starts.
LOOKED_AT = 1000


class IspLookup(Protocol):
    """Finds the provider behind an address, in the background."""

    def find(self, address: str, done: Callable[[str], None]) -> None:
        """
        Call ``done`` once, from any thread, with the provider's domain, the slug of its name, or UNKNOWN.

        Returns at once and never raises. The address is forgotten before ``done`` is called.
        """
        ...

    def close(self, grace: float = 0.0) -> None:
        """Wait up to ``grace`` seconds for what is being looked up; what is not found by then is UNKNOWN."""
        ...


# -- the address of a request


def client_address(remote: str, head: RequestHead, trusted_proxies: int) -> str:
    """
    Return the address a request came from, or an empty text where that cannot be known or has no provider.

    Args:
        remote: The address that the server sees.
        head: Of the request; only ``X-Forwarded-For`` is read, and only where there are trusted proxies.
        trusted_proxies: How many proxies of the site add to that header. What stands further left in it is the
            client's own word.

    Returns:
        The shortest spelling of a public address; IPv4 in IPv6 is IPv4.
    """
    if not trusted_proxies:
        return _public(remote)
    hops = [hop for value in head.all("x-forwarded-for") for hop in value[-_MAX_HOPS:].split(",")]
    return _public(hops[-trusted_proxies]) if len(hops) >= trusted_proxies else ""


#: Characters of one X-Forwarded-For that are looked at, from the right.
_MAX_HOPS = 2048
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]{2,45})(?:%[^\]]{0,32})?\](?::[0-9]{1,5})?", re.ASCII)
_PLAIN = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::[0-9]{1,5})?|([0-9A-Fa-f:.]{2,45})(?:%.{0,32})?", re.ASCII)


def _public(text: str) -> str:
    """Return the public address that ``text`` holds, without port, brackets and zone; empty where it holds none."""
    text = text.strip(" \t\"'")
    found = _BRACKETED.fullmatch(text) or _PLAIN.fullmatch(text) if len(text) <= 96 else None
    if found is None:
        return ""
    try:
        address = ipaddress.ip_address(found[found.lastindex or 0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address) if address.is_global and not address.is_multicast and not address.is_reserved else ""


# -- looking up in the background


class _Job:
    """One look-up; the address is taken out when it ends."""

    __slots__ = ("address", "done")

    def __init__(self, address: str, done: Callable[[str], None]) -> None:
        self.address = address
        self.done = done


class _Background:
    """
    Look-ups by daemon threads, which start with the first look-up of each process.

    A child of a fork begins with none waiting: those of its parent are the parent's.
    """

    #: How many at a time.
    threads = 1

    def __init__(self) -> None:
        self._begin()
        _alive.add(self)

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._running: set[_Job] = set()
        self._started = 0
        self._closed = False

    def find(self, address: str, done: Callable[[str], None]) -> None:
        """Look the address up in the background (:meth:`IspLookup.find`)."""
        with self._changed:
            wanted = not self._closed and len(self._waiting) < WAITING
            if wanted:
                self._waiting.append(_Job(address, done))
                self._changed.notify()
                wanted = self._started >= self.threads or self._start()
        if not wanted:
            _tell(done, UNKNOWN)

    def _start(self) -> bool:
        """Start one more thread; return False where there is none and none can be had."""
        try:
            threading.Thread(target=self._work, name="consent_mw-isp", daemon=True).start()
        except RuntimeError:  # the interpreter is ending, or the machine has no threads left
            if not self._started:
                self._waiting.pop()
                return False
            return True
        self._started += 1
        return True

    def close(self, grace: float = 0.0) -> None:
        """Wait up to ``grace`` seconds, then tell everyone who waits that nothing was found."""
        until = time.monotonic() + grace
        with self._changed:
            while (self._waiting or self._running) and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            self._closed = True
            late = [*self._waiting, *self._running]
            self._waiting.clear()
            self._running.clear()
            self._changed.notify_all()
        for job in late:
            _tell(job.done, UNKNOWN)

    def _work(self) -> None:
        changed = self._changed
        while True:
            with changed:
                while not self._waiting and not self._closed:
                    changed.wait()
                if self._closed:
                    return
                job = self._waiting.popleft()
                self._running.add(job)
            found = self._found(job)
            with changed:
                # Where close() did not wait, it has told them already.
                mine = job in self._running
                if mine:
                    _tell(job.done, found)
                self._running.discard(job)
                changed.notify_all()
            # A thread that waits keeps its variables.
            del job

    def _found(self, job: _Job) -> str:
        address, job.address = job.address, ""
        try:
            return self._resolve(address) or UNKNOWN
        except Exception as error:
            # What answers is a stranger, and what went wrong may name the address: only the kind is told.
            _log.debug("a provider could not be looked up: %s", type(error).__name__)
            return UNKNOWN

    def _resolve(self, address: str) -> str:
        """Return the provider of a public address, or an empty text; may raise anything."""
        raise NotImplementedError


_alive: weakref.WeakSet[_Background] = weakref.WeakSet()


def _after_fork() -> None:
    for lookup in list(_alive):
        lookup._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _tell(done: Callable[[str], None], provider: str) -> None:
    try:
        done(provider)
    except Exception as error:
        _log.error("a provider could not be counted: %s", type(error).__name__)


# -- reverse DNS


class PtrLookup(_Background):
    """
    Reverse DNS, forward-confirmed, reduced to the registrable domain.

    Args:
        nameservers: Addresses of name servers; those of the machine where there are none.
        port: Of these.
    """

    threads = ASKING

    def __init__(self, nameservers: Sequence[str] = (), port: int = 53) -> None:
        self._nameservers = tuple(nameservers)
        self._port = port
        self._own: Resolver | None = None
        super().__init__()

    def _resolver(self) -> Resolver:
        import dns.resolver  # only sites that count providers, and only once somebody came

        if self._own is None:
            resolver = dns.resolver.Resolver(configure=not self._nameservers)
            if self._nameservers:
                resolver.nameservers = list(self._nameservers)
                resolver.port = self._port
            resolver.timeout = PATIENCE
            resolver.lifetime = LIFETIME
            resolver.cache = None  # it would remember names of addresses
            self._own = resolver
        return self._own

    def _resolve(self, address: str) -> str:
        import dns.reversename

        resolver = self._resolver()
        answer = resolver.resolve(dns.reversename.from_address(address), "PTR", search=False)
        for record in list(answer)[:MAX_NAMES]:
            name = record.target.to_text(omit_final_dot=True).lower()
            domain = registrable(name)
            if domain and self._leads_back(resolver, name, address):
                return domain
        return ""

    def _leads_back(self, resolver: Resolver, name: str, address: str) -> bool:
        """Return whether the addresses of ``name`` hold this one: anybody may call their address anything."""
        import dns.exception

        wanted = ipaddress.ip_address(address)
        kind = "A" if wanted.version == 4 else "AAAA"
        try:
            answer = resolver.resolve(f"{name}.", kind, search=False)
        except dns.exception.DNSException:
            return False
        return any(ipaddress.ip_address(record.address) == wanted for record in answer)


_LABEL = r"(?!xn--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{4,253}}\Z)(?:{_LABEL}\.)+[a-z]{{2,63}}", re.ASCII)


def registrable(name: str) -> str:
    """
    Return the part of a host name that somebody registered, or an empty text for what is no plain host name.

    Only letters, digits, hyphens and dots pass, so that no name can become markup, a log line or a look-alike
    somewhere; a public suffix alone, and a name under none (``.local``), is nobody's.
    """
    if not _DOMAIN.fullmatch(name):
        return ""
    return _suffixes().privatesuffix(name) or ""


@cache
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList  # reads its list, some 50 ms, when the first name is found

    # The private section lists customers of one company as if each were a provider (compute.amazonaws.com):
    # without it the company is what remains.
    return PublicSuffixList(accept_unknown=False, only_icann=True)


# -- a database on this machine


class MmdbLookup(_Background):
    """
    A database in MaxMind's format that knows autonomous systems or providers.

    The file is read as it is needed, and never mapped into memory: one that is
    cut short while it is read would otherwise end the process. A file put in
    its place is taken up within a minute.

    Args:
        path: Of the file.

    Raises:
        ConfigError: it cannot be read, is damaged, or knows no providers.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._reader: Reader | None = None
        self._seen: tuple[int, ...] = ()
        self._look_again = 0.0
        _check(path)
        super().__init__()

    def _begin(self) -> None:
        # A descriptor that a child shares with its parent also shares its place in the file.
        self._let_go()
        super()._begin()

    def close(self, grace: float = 0.0) -> None:
        """End the look-ups (:meth:`IspLookup.close`), and let go of the file."""
        super().close(grace)
        self._let_go()

    def _let_go(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _resolve(self, address: str) -> str:
        reader = self._open()
        return provider_of(reader.get(address)) if reader is not None else ""

    def _open(self) -> Reader | None:
        """Return a reader of the file that is there now; the last one where that cannot be read."""
        now = time.monotonic()
        if self._reader is not None and now < self._look_again:
            return self._reader
        self._look_again = now + LOOK_AGAIN
        try:
            seen = _mark(self._path)
            if self._reader is None or seen != self._seen:
                reader = _read(self._path)
                old, self._reader, self._seen = self._reader, reader, seen
                if old is not None:
                    old.close()
        except Exception as error:
            _log.warning(
                "the database of providers, %s, cannot be read (%s): put a whole one in its place by renaming",
                self._path,
                type(error).__name__,
            )
        return self._reader


def _mark(path: str) -> tuple[int, ...]:
    """Return what changes when a file is replaced."""
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _read(path: str) -> Reader:
    import maxminddb

    return maxminddb.open_database(path, maxminddb.MODE_FILE)


def _check(path: str) -> None:
    """Raise ConfigError where the file cannot tell providers; the first records show what it knows."""
    remedy = "Name a database of autonomous systems or providers in MaxMind's format, as GeoLite2-ASN or IPinfo Lite."
    try:
        reader = _read(path)
        try:
            known = any(provider_of(record) for _, record in islice(reader, LOOKED_AT))
        finally:
            reader.close()
    except OSError as error:
        what = f"The file {path} cannot be read: {error.strerror or type(error).__name__}."
        raise ConfigError([Problem("site.isp", what, 'Correct the path, or write isp = "off".')]) from None
    except Exception:  # a damaged file may lead its reader anywhere
        what = f"The file {path} is damaged, or is no database in MaxMind's format."
        raise ConfigError([Problem("site.isp", what, remedy)]) from None
    if not known:
        what = f"The database {path} names no provider in its first records."
        raise ConfigError([Problem("site.isp", what, remedy)])


def provider_of(record: object) -> str:
    """
    Return the domain that a record of a database names, else the name of the organisation as a slug, else nothing.

    Known are the layouts of IPinfo (Lite, ASN, and those with nested systems), of DB-IP and of GeoLite2 and GeoIP2
    (ASN, ISP, Domain).
    """
    parts = [record, *(record.get(name) for name in _NESTED)] if isinstance(record, dict) else []
    places = [part for part in parts if isinstance(part, dict)]
    for field in _DOMAINS:
        for place in places:
            text = place.get(field)
            if isinstance(text, str) and (domain := registrable(text.strip().lower())):
                return domain
    for field in _ORGANISATIONS:
        for place in places:
            text = place.get(field)
            # In a database of something else a "name" is that of something else.
            if isinstance(text, str) and (field != "name" or "asn" in place) and (slug := _slug(text)):
                return slug
    return ""


_NESTED = ("as", "asn", "traits")
_DOMAINS = ("as_domain", "domain")
_ORGANISATIONS = ("isp", "as_name", "autonomous_system_organization", "as_organization", "organization", "name")


def _slug(text: str) -> str:
    """Return ``text`` in letters, digits and single hyphens, at most MAX_SLUG of them."""
    plain = unicodedata.normalize("NFKD", text[:256]).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG].rstrip("-")


# -- the setting


def open_lookup(setting: str, *, explicit: bool) -> IspLookup | None:
    """
    Return the look-up that the setting ``isp`` names, or None where providers are not counted.

    Args:
        setting: ``ptr``, ``mmdb:FILE`` or ``off``.
        explicit: Whether the owner wrote it. The default does without where its libraries are not installed.

    Raises:
        ConfigError: the setting is none of these, its libraries are missing, or the file cannot tell providers.
    """
    kind, _, file = setting.partition(":")
    if setting == "off":
        return None
    if setting != "ptr" and (kind != "mmdb" or not file):
        what = f"There is no such way to find providers: {setting!r}."
        raise ConfigError([Problem("site.isp", what, 'Write "ptr", "mmdb:FILE" or "off".')])
    missing = [name for name in _LIBRARIES[kind] if importlib.util.find_spec(name) is None]
    if missing and explicit:
        what = f"isp = {setting!r} needs libraries that are not installed: {', '.join(missing)}."
        raise ConfigError([Problem("site.isp", what, f'Run: {_INSTALL}, or write isp = "off".')])
    if missing:
        _log.info("providers are not counted, since their libraries are not installed; to count them: %s", _INSTALL)
        return None
    return PtrLookup() if kind == "ptr" else MmdbLookup(file)


_LIBRARIES = {"ptr": ("dns", "publicsuffixlist"), "mmdb": ("maxminddb", "publicsuffixlist")}
_INSTALL = "pip install consent_mw[isp]"
