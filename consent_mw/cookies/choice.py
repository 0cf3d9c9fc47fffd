"""
The cookie that stores a visitor's choice.

A token is ``1.<payload>.<mac>``. The payload is readable, contains the day but no finer time, and is the same bytes for
the same choice, so that a refusal identifies nobody. A token that does not verify counts as no choice. Nothing that a
browser sends raises an error here.

The steps of :meth:`CookieJar.read`; the numbers are repeated in the code:

(0) The name depends on the request: over https only the ``__Host-`` name counts. If subdomains share a choice, it is
``__Secure-``, and an earlier choice of one host counts until there is a shared one.
(1) Exactly one cookie has that name.
(2) It is no longer than 4096 characters.
(3) It has the three parts of a token, in their canonical form.
(4) One of the keys signed it, for this site and this purpose.
(5) The payload can be read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import re
from functools import cached_property
from functools import lru_cache

from consent_mw.core.cache import BoundedCache
from consent_mw.core.cache import size_of
from consent_mw.core.choice import Action
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Record
from consent_mw.core.model import Site
from consent_mw.core.signing import is_canonical
from consent_mw.core.signing import signer
from consent_mw.errors import ConsentError
from consent_mw.http.caching import CLASS
from consent_mw.http.cookies import DAY_SECONDS
from consent_mw.http.cookies import HOST_PREFIX
from consent_mw.http.cookies import SECURE_PREFIX
from consent_mw.http.cookies import cookies_of
from consent_mw.http.cookies import delete_cookie
from consent_mw.http.cookies import prefix_at
from consent_mw.http.cookies import set_cookie
from consent_mw.http.cookies import values_of
from consent_mw.http.hosts import domains_of
from consent_mw.http.hosts import host_of
from consent_mw.http.hosts import is_local
from consent_mw.http.hosts import port_of
from consent_mw.http.request import RequestHead

__all__ = ["CookieJar"]

_log = logging.getLogger("consent_mw")

PLAIN_NAME = "cmw"
SECURE_NAME = HOST_PREFIX + PLAIN_NAME
#: The name if subdomains share a choice: ``__Host-`` allows no domain.
SHARED_NAME = SECURE_PREFIX + PLAIN_NAME
#: Suffix of the readable cookie: it tells caches and scripts the class of a choice, since they cannot use the signed
#: one.
STATE_SUFFIX = "-state"

#: Browsers refuse a name and value of more than 4096 bytes (RFC 6265bis section 5.6). The attributes, and the site's
#: other cookies in a server's header buffer, need room too, so ours stays below that.
MAX_TOKEN = 3500
MAX_READ = 4096
#: Names of cookies on longer hosts are not cached.
_LONGEST_HOST = 255
#: Limits of the cache of verified tokens, in entries and bytes.
_REMEMBERED = 512
_REMEMBERED_BYTES = 2_000_000

_VERSION = "1"
#: Length of a token without its payload: the version, two dots, the signature.
_AROUND_PAYLOAD = 46
_TOKEN = re.compile(r"1\.([A-Za-z0-9~_-]+)\.([A-Za-z0-9_-]{43})", re.ASCII)
_IDS = r"(?:[a-z0-9-]+(?:_[a-z0-9-]+)*)?"
_PAYLOAD = re.compile(
    rf"(?P<action>[a-z]+)~(?P<day>0|-?[1-9][0-9]{{0,8}})~(?P<revision>[0-9a-f]{{12}})~(?P<gpc>[01])"
    rf"~(?P<purposes>{_IDS})~(?P<services>{_IDS}|B[A-Za-z0-9_-]*)~(?P<receipt>[A-Za-z0-9_-]{{0,64}})"
    rf"(?:~(?P<suspects>{_IDS}))?",
    re.ASCII,
)
_ACTIONS = frozenset(action.value for action in Action)


class CookieJar:
    """
    Reads and writes the choices of one site's visitors.

    Args:
        keys: Oldest first; the last one signs, all of them verify.
    """

    def __init__(self, site: Site, keys: tuple[str, ...]) -> None:
        self._site = site
        self._keys = keys
        self._signer = signer(keys, "consent_mw.choice.v1", site.name, site.mount)
        self._warned = False
        self._verified: BoundedCache[str, Record] = BoundedCache(_REMEMBERED, _REMEMBERED_BYTES, measure=_size)

    @cached_property
    def mark(self) -> str:
        """A secret of the site that only its pages contain; the same in all its processes and pages."""
        return hmac.new(self._keys[-1].encode(), b"consent_mw.place.v1", hashlib.sha256).hexdigest()[:16]

    def page_key(self, *facts: str) -> str:
        """Return a secret key of a response, in 16 hex digits; the same facts give the same key."""
        keyed = self._page_keys.copy()
        keyed.update("\0".join(facts).encode("utf-8", "surrogatepass"))
        return keyed.hexdigest()

    @cached_property
    def _page_keys(self) -> hashlib.blake2b:
        """A keyed hash (RFC 7693, section 2.9); a new HMAC for each page would take twenty times as long."""
        key = hashlib.sha256(b"consent_mw.page.v1\0" + self._keys[-1].encode()).digest()
        return hashlib.blake2b(key=key, digest_size=8)

    def grown(self, site: Site) -> CookieJar:
        """Return a jar with the same keys for a site that has learned another service."""
        return CookieJar(site, self._keys)

    # -- names

    def name(self, head: RequestHead) -> str | None:
        """Return the name of the choice cookie for this host alone, or None if no cookie may be set."""
        names = _names_at if len(head.host) <= _LONGEST_HOST else _names_at.__wrapped__
        plain, by_port = names(head.scheme, head.host, self._site.allow_insecure_http)
        return self._own_name(head, plain, by_port) if plain is not None and by_port else plain

    def _own_name(self, head: RequestHead, plain: str, by_port: str) -> str:
        """
        Return the name to use on the developer's own machine, where several projects may run on several ports.

        Cookies are not isolated by port (RFC 6265bis section 8.5): without this, each project would overwrite the
        choice of the others. The first project takes the plain name; a project that finds another's token there adds
        its port.
        """
        own = values_of(head, by_port)
        if len(own) == 1 and isinstance(self._verify(own[0]), Record):
            return by_port
        found = values_of(head, plain)
        if found:
            return by_port if all(self._verify(value) is NoRecord.FORGED for value in found) else plain
        return by_port if own else plain

    def names(self, head: RequestHead) -> tuple[str, ...]:
        """Return the names under which a choice counts, the one to set first; empty if no cookie may be set."""
        name = self.name(head)
        if name is None:
            return ()
        return (SHARED_NAME, name) if name == SECURE_NAME and self._shares(head) else (name,)

    def _shares(self, head: RequestHead) -> bool:
        """Return whether the choice is stored for the shared domain: browsers accept that only from its hosts."""
        domain = self._site.cookie_domain
        if not domain:
            return False
        host = host_of(head.host)
        shares = host == domain or host.endswith(f".{domain}")
        if not shares and not is_local(host) and not self._warned:
            self._warned = True
            _log.warning(
                "the site is also reached by a host outside cookie_domain = %s: choices made there stay there",
                domain,
            )
        return shares

    # -- the choice

    def read(self, head: RequestHead) -> Record | NoRecord:
        """Return the choice in the request, or the reason why there is none; never raises."""
        for name in self.names(head):  # (0)
            values = values_of(head, name)
            if values:  # (1)
                return self._verify(values[0]) if len(values) == 1 else NoRecord.DUPLICATE
        return NoRecord.ABSENT

    def set_cookie(self, record: Record, head: RequestHead) -> str:
        """
        Return the Set-Cookie value that stores ``record``.

        Raises:
            ConsentError: if no cookie may be set (:meth:`name` is None), or the record is too large for one.
        """
        names = self.names(head)
        if not names:
            raise ConsentError(
                "A choice cannot be kept over plain http: serve the site over https, or set allow_insecure_http = true."
            )
        return self._set(names[0], self._token(record), head, self._site.choice_days, hidden=True)

    def leftovers(self, head: RequestHead) -> list[str]:
        """
        Return Set-Cookie values that delete cookies beside a shared choice: choices of a single host.

        A cookie that another subdomain set for a part of the domain would turn every choice into a duplicate, which
        does not count.
        """
        if not self._shares(head):
            return []
        arrived = [key for key, _ in cookies_of(head)]
        found = []
        for name in (*self.names(head), *(name + STATE_SUFFIX for name in self.names(head))):
            if name not in arrived:
                continue
            own = name.startswith(SECURE_NAME)
            others = [] if own or arrived.count(name) == 1 else domains_of(host_of(head.host))
            found.append(delete_cookie(name))
            found += [
                delete_cookie(name, domain=domain)
                for domain in others
                if domain.endswith(f".{self._site.cookie_domain}")
            ]
        return found

    # -- the readable class of the choice, for caches and scripts

    def readable(self, head: RequestHead) -> str | None:
        """Return the class in the request's readable cookie: empty if there is no cookie, None if it is malformed."""
        found = (values_of(head, name + STATE_SUFFIX) for name in self.names(head))
        values: list[str] = next(filter(None, found), [])
        if len(values) > 1 or not all(map(CLASS.fullmatch, values)):
            return None
        return values[0] if values else ""

    def readable_cookie(self, value: str, head: RequestHead, *, age: int = 0) -> str:
        """
        Return the Set-Cookie value that stores a class beside the signed cookie, or deletes it if the class is empty.

        Args:
            age: Days since the choice was made, so that both cookies end together.
        """
        name = next(iter(self.names(head)), PLAIN_NAME)
        days = max(self._site.choice_days - age, 0) if value else 0
        return self._set(name + STATE_SUFFIX, value, head, days, hidden=False)

    def _set(self, name: str, value: str, head: RequestHead, days: int, *, hidden: bool) -> str:
        """Return the Set-Cookie value for this host, or for the domain if the choice is shared."""
        domain = self._site.cookie_domain if self._shares(head) else ""
        return set_cookie(name, value, seconds=days * DAY_SECONDS, domain=domain, hidden=hidden)

    # -- tokens

    def _token(self, record: Record) -> str:
        """Return the signed token of a record."""
        return self._signer.sign(f"{_VERSION}.{self.payload(record)}").decode("ascii")

    def payload(self, record: Record) -> str:
        """
        Return the readable part of a record's token: day, revision, grants, receipt.

        Raises:
            ConsentError: if the record is too large for a cookie, or contains characters that are not allowed in one.
        """
        for compact in (False, True):
            payload = self._payload(record, compact=compact)
            if len(payload) <= MAX_TOKEN - _AROUND_PAYLOAD:
                return payload
        raise ConsentError(f"A choice of {len(record.services)} services does not fit into a cookie.")

    def _payload(self, record: Record, *, compact: bool) -> str:
        """
        Return the readable part; ``compact`` encodes the services as one bit per declared service.

        Suspects, which may be discovered at any time, follow by name.
        """
        if record.action is Action.REJECT:
            # All refusals of a day are the same bytes: include nothing that distinguishes one visitor from another.
            record = Record(Action.REJECT, record.day, record.revision)
        services = "_".join(sorted(record.services))
        suspects = record.services & self._site.suspects if compact else frozenset()
        declared = self._declared() if compact else []
        if compact and record.revision == self._site.revision and (record.services - suspects).issubset(declared):
            services = _to_bits(declared, record.services)
        else:
            suspects = frozenset()
        fields = (
            record.action.value,
            str(record.day),
            record.revision,
            "1" if record.gpc else "0",
            "_".join(sorted(record.purposes)),
            services,
            record.receipt,
            *(["_".join(sorted(suspects))] if suspects else []),
        )
        payload = "~".join(fields)
        if not _PAYLOAD.fullmatch(payload):
            raise ConsentError("The record holds an id, revision or receipt that cannot stand in a cookie.")
        return payload

    def _declared(self) -> list[str]:
        """Return the ids of the services that the site's revision is about."""
        return sorted(service.id for service in self._site.optional if not service.suspected)

    def _verify(self, token: str) -> Record | NoRecord:
        """Return the record in a token, or the reason why there is none."""
        if len(token) > MAX_READ:  # (2)
            return NoRecord.OVERSIZE
        known = self._verified.get(token)
        if known is not None:
            return known
        shape = _TOKEN.fullmatch(token)
        if shape is None or not is_canonical(shape[2]):  # (3)
            return NoRecord.MALFORMED
        if not self._signer.validate(token):  # (4)
            return NoRecord.FORGED
        record = self.parse(shape[1])
        if record is None:  # (5)
            return NoRecord.MALFORMED
        self._verified.put(token, record)
        return record

    def parse(self, payload: str) -> Record | None:
        """Parse a payload that we signed; return None if it is from another version."""
        found = _PAYLOAD.fullmatch(payload)
        if found is None or found["action"] not in _ACTIONS:
            return None
        services = frozenset(filter(None, found["services"].split("_")))
        if found["services"].startswith("B"):
            # Bits can only be decoded with the list of services they were encoded for. A choice of another revision is
            # asked again anyway, and grants nothing until then.
            current = found["revision"] == self._site.revision
            names = self._declared() if current else []
            try:
                services = _from_bits(names, found["services"])
                services |= frozenset(filter(None, (found["suspects"] or "").split("_")))
            except ValueError:
                return None
        return Record(
            action=Action(found["action"]),
            day=int(found["day"]),
            revision=found["revision"],
            purposes=frozenset(filter(None, found["purposes"].split("_"))),
            services=services,
            receipt=found["receipt"],
            gpc=found["gpc"] == "1",
        )


@lru_cache(maxsize=128)
def _names_at(scheme: str, host: str, insecure: bool) -> tuple[str | None, str]:
    """
    Return the name of the choice cookie, or None if there may be none, and the name with the port on a developer's
    machine, empty elsewhere.

    Args:
        host: The request's Host header; the caller does not pass long ones to the cache.
        insecure: The setting ``allow_insecure_http``.
    """
    prefix = prefix_at(scheme, host, insecure=insecure)
    if prefix is None:
        return None, ""
    port = port_of(host) if is_local(host_of(host)) else ""
    return prefix + PLAIN_NAME, f"{prefix}port{port}-{PLAIN_NAME}" if port else ""


def _size(record: Record) -> int:
    """Return the approximate size of a cached record in bytes."""
    return 400 + size_of(record.purposes) + size_of(record.services) + len(record.receipt)


def _to_bits(names: list[str], granted: frozenset[str]) -> str:
    bits = sum(1 << place for place, name in enumerate(names) if name in granted)
    raw = bits.to_bytes(len(names) // 8 + 1, "little")
    return "B" + base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _from_bits(names: list[str], text: str) -> frozenset[str]:
    raw = base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4))
    bits = int.from_bytes(raw, "little")
    return frozenset(name for place, name in enumerate(names) if bits >> place & 1)
