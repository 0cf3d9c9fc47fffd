"""
The cookie that carries a choice: keys, signing, and names.

A token is ``1.<payload>.<mac>``. The payload is readable, holds the day and
nothing finer, and is the same bytes for the same choice, so that a refusal
marks nobody out. What does not verify counts as no choice; nothing that a
browser sends raises anything here.

The steps of :meth:`CookieJar.read`; the numbers are repeated at the code:

(0) The name depends on the request: on https only the ``__Host-`` name counts. Where subdomains share a choice it is
    ``__Secure-``, and a choice that was kept for one host before counts as long as there is no shared one.
(1) Exactly one cookie has that name.
(2) It is no longer than 4096 characters.
(3) It has the three parts of a token, in their only spelling.
(4) One of the keys signed it, for this site and this purpose.
(5) The payload can be read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterator
from collections.abc import Mapping
from functools import cached_property
from threading import Lock

from itsdangerous import Signer

from consent_mw.core.model import Action
from consent_mw.core.model import NoRecord
from consent_mw.core.model import Record
from consent_mw.core.model import Site
from consent_mw.errors import ConfigError
from consent_mw.errors import ConsentError
from consent_mw.errors import Problem
from consent_mw.http.caching import CLASS
from consent_mw.http.hosts import domains_of
from consent_mw.http.hosts import host_of
from consent_mw.http.hosts import is_local
from consent_mw.http.request import RequestHead

__all__ = ["CookieJar", "is_canonical", "load_keys"]

_log = logging.getLogger("consent_mw")

SECURE_NAME = "__Host-cmw"
#: Where subdomains share a choice: ``__Host-`` allows no domain.
SHARED_NAME = "__Secure-cmw"
PLAIN_NAME = "cmw"
#: Behind the name: the cookie that tells the class of a choice to caches and scripts, which the signed one does not.
STATE_SUFFIX = "-state"

#: Browsers refuse a name and value of more than 4096 bytes (RFC 6265bis section 5.6); attributes and the
#: site's other cookies want room in a request line buffer too, so ours stays below that.
MAX_TOKEN = 3500
MAX_READ = 4096
#: Fewer characters than these could be guessed, or are a placeholder that was never replaced.
MIN_KEY = 32
_REMEMBERED = 512

_VERSION = "1"
#: Characters of a token beside its payload: the version, two dots, the signature.
_AROUND_PAYLOAD = 46
_TOKEN = re.compile(r"1\.([A-Za-z0-9~_-]+)\.([A-Za-z0-9_-]{43})", re.ASCII)
_IDS = r"(?:[a-z0-9-]+(?:_[a-z0-9-]+)*)?"
_PAYLOAD = re.compile(
    rf"(?P<action>[a-z]+)~(?P<day>0|-?[1-9][0-9]{{0,8}})~(?P<revision>[0-9a-f]{{12}})~(?P<gpc>[01])"
    rf"~(?P<purposes>{_IDS})~(?P<services>{_IDS}|B[A-Za-z0-9_-]*)~(?P<receipt>[A-Za-z0-9_-]{{0,64}})",
    re.ASCII,
)


# -- keys


def load_keys(site: Site, environ: Mapping[str, str]) -> tuple[str, ...]:
    """
    Return the signing keys, oldest first: those of the environment, or else those of a file beside the records.

    The file is made where it is missing; several processes that start at once
    get the same key. A line in the log says what to do before a second machine
    serves the site.

    Raises:
        ConfigError: with the mistakes in what was given. No message holds a key.
    """
    if site.allow_insecure_http:
        _log.warning(
            "allow_insecure_http is on: over plain http anybody on the way can read and replace a visitor's choice; "
            "serve the site over https and remove the setting"
        )
    given = environ.get(site.keys_env)
    if given is not None:
        return _checked(f"environment variable {site.keys_env}", given)
    if not site.records.startswith("sqlite:///"):
        what = f"The environment variable {site.keys_env} is not set, and the records are shared between machines."
        remedy = f"Set it to the same keys on every machine; each would sign differently. {_NEW_KEY}"
        raise ConfigError([Problem("site.keys_env", what, remedy)])
    file = _key_file(site.records.removeprefix("sqlite:///"))
    keys = _read_or_make(file)
    _log.warning(
        "signing with the key in %s: before a second machine serves this site, set the environment variable %s "
        "on every machine to the content of that file",
        file,
        site.keys_env,
    )
    return keys


_NEW_KEY = "Make a key by: python -c 'import secrets; print(secrets.token_urlsafe(32))'"


def _checked(where: str, text: str) -> tuple[str, ...]:
    """Return the keys in ``text``, which are separated by commas or white space."""
    keys = tuple(filter(None, re.split(r"[,\s]+", text)))
    problems = [
        Problem(
            where,
            f"Key {number} of {len(keys)} has {len(key)} characters, and at least {MIN_KEY} are needed.",
            _NEW_KEY,
        )
        for number, key in enumerate(keys, 1)
        if len(key) < MIN_KEY
    ]
    if not keys:
        problems = [Problem(where, "It holds no key.", f"Remove it, or put a key in it. {_NEW_KEY}")]
    if problems:
        raise ConfigError(problems)
    return keys


def _key_file(database: str) -> str:
    """Return the path of the key file that belongs to a database."""
    stem, extension = os.path.splitext(database)
    return f"{database}.key" if extension == ".key" else f"{stem}.key"


def _read_or_make(file: str) -> tuple[str, ...]:
    """Return the keys in ``file``, making it first where it is missing."""
    try:
        if not os.path.exists(file):
            _make(file)
        with open(file, encoding="ascii") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            text = stream.read()
    except UnicodeDecodeError:
        raise ConfigError([Problem(file, "The key file is not text.", f"Replace its content. {_NEW_KEY}")]) from None
    except OSError as error:
        what = f"The key file can neither be read nor made: {error.strerror or type(error).__name__}."
        remedy = (
            "Let the setting records name a file in a folder that this process may write, or set the keys' variable."
        )
        raise ConfigError([Problem(file, what, remedy)]) from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        what = f"Others on this machine may read the key file (mode {stat.S_IMODE(mode):04o})."
        raise ConfigError([Problem(file, what, f"Run: chmod 600 {file}")])
    return _checked(file, text)


def _make(file: str) -> None:
    """Make the key file whole or not at all; where another process was faster, its file stands."""
    draft = f"{file}.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            os.chmod(draft, 0o600)  # whatever the umask took away
            stream.write(secrets.token_urlsafe(48) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        # A link appears under its name with all of its content, and never replaces another.
        try:
            os.link(draft, file)
        except FileExistsError:
            return
    finally:
        os.unlink(draft)


# -- the choice's own cookie


class CookieJar:
    """
    Reads and writes the choice of one site.

    Args:
        keys: Oldest first; the last one signs, all of them verify.
    """

    def __init__(self, site: Site, keys: tuple[str, ...]) -> None:
        self._site = site
        self._keys = keys
        # A token of another site, or of another use of the same keys, must not verify here: the salt tells them apart.
        salt = "\0".join(("consent_mw.choice.v1", site.name, site.mount))
        self._signer = Signer(
            list(keys), salt=salt.encode(), sep=".", key_derivation="hmac", digest_method=hashlib.sha256
        )
        self._warned = False
        self._verified: dict[str, Record] = {}
        self._lock = Lock()

    @cached_property
    def mark(self) -> str:
        """What nobody can make up who has not seen a page of the site: the same in all its processes and pages."""
        return hmac.new(self._keys[-1].encode(), b"consent_mw.place.v1", hashlib.sha256).hexdigest()[:16]

    def grown(self, site: Site) -> CookieJar:
        """Return a jar with the same keys for a site that has learned a service since."""
        return CookieJar(site, self._keys)

    def name(self, head: RequestHead) -> str | None:
        """Return the name of a cookie of ours for this host alone, or None where none can be kept."""
        if head.scheme == "https":
            return SECURE_NAME
        if head.scheme == "http" and (self._site.allow_insecure_http or is_local(host_of(head.host))):
            return PLAIN_NAME
        return None

    def names(self, head: RequestHead) -> tuple[str, ...]:
        """Return the names under which a choice counts, the first of which is set; none where none can be kept."""
        name = self.name(head)
        if name is None:
            return ()
        return (SHARED_NAME, name) if name == SECURE_NAME and self._shares(head) else (name,)

    def _shares(self, head: RequestHead) -> bool:
        """Return whether the choice is kept for the shared domain: a browser takes it from no other host."""
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

    def read(self, head: RequestHead) -> Record | NoRecord:
        """Return the record that the request carries, or why there is none; never raises."""
        cookies = list(_cookies(head))
        for name in self.names(head):  # (0)
            values = [value for key, value in cookies if key == name]
            if values:  # (1)
                return self._verify(values[0]) if len(values) == 1 else NoRecord.DUPLICATE
        return NoRecord.ABSENT

    def leftovers(self, head: RequestHead) -> list[str]:
        """
        Return Set-Cookie values that take away what would stand beside a shared choice: what was kept for one host.

        A cookie that another subdomain set for a part of the domain would make every choice count as none.
        """
        if not self._shares(head):
            return []
        arrived = [key for key, _ in _cookies(head)]
        found = []
        for name in (*self.names(head), *(name + STATE_SUFFIX for name in self.names(head))):
            if name not in arrived:
                continue
            own = name.startswith(SECURE_NAME)
            others = [] if own or arrived.count(name) == 1 else domains_of(host_of(head.host))
            secure = "; Secure" if name != PLAIN_NAME else ""
            found.append(f"{name}=; Path=/; Max-Age=0{secure}")
            found += [
                f"{name}=; Path=/; Max-Age=0; Domain={domain}{secure}"
                for domain in others
                if domain.endswith(f".{self._site.cookie_domain}")
            ]
        return found

    def set_cookie(self, record: Record, head: RequestHead) -> str:
        """
        Return the Set-Cookie value that keeps ``record``.

        Raises:
            ConsentError: :meth:`name` is None for this request, or the record is too large for a cookie.
        """
        names = self.names(head)
        if not names:
            raise ConsentError(
                "A choice cannot be kept over plain http: serve the site over https, or set allow_insecure_http = true."
            )
        return f"{names[0]}={self._token(record)}; {self._attributes(head, self._site.choice_days, hidden=True)}"

    def _attributes(self, head: RequestHead, days: int, *, hidden: bool) -> str:
        """Return the attributes of a cookie; ``hidden`` from the scripts of the page."""
        domain = f"; Domain={self._site.cookie_domain}" if self._shares(head) else ""
        flags = ("; HttpOnly" if hidden else "") + ("; Secure" if head.scheme == "https" else "")
        return f"Path=/; Max-Age={days * 86_400}; SameSite=Lax{domain}{flags}"

    # -- the class of the choice, which caches and scripts can read

    def readable(self, head: RequestHead) -> str | None:
        """Return the class that the request's readable cookie names: empty without one, None where none can be told."""
        cookies = list(_cookies(head))
        values: list[str] = []
        for name in self.names(head):
            values = values or [value for key, value in cookies if key == name + STATE_SUFFIX]
        if len(values) > 1 or not all(map(CLASS.fullmatch, values)):
            return None
        return values[0] if values else ""

    def readable_cookie(self, value: str, head: RequestHead, *, age: int = 0) -> str:
        """
        Return the Set-Cookie value that keeps a class beside the signed cookie, or takes it away where it is empty.

        Args:
            age: Days since the choice was made, so that both cookies end together.
        """
        name = next(iter(self.names(head)), PLAIN_NAME)
        days = max(self._site.choice_days - age, 0) if value else 0
        return f"{name}{STATE_SUFFIX}={value}; {self._attributes(head, days, hidden=False)}"

    def _token(self, record: Record) -> str:
        """Return the signed text of a record."""
        return self._signer.sign(f"{_VERSION}.{self.payload(record)}").decode("ascii")

    def payload(self, record: Record) -> str:
        """
        Return the readable part of a record's token: day, revision, grants, receipt.

        Raises:
            ConsentError: the record is too large for a cookie, or holds what cannot stand in one.
        """
        for compact in (False, True):
            payload = self._payload(record, compact=compact)
            if len(payload) <= MAX_TOKEN - _AROUND_PAYLOAD:
                return payload
        raise ConsentError(f"A choice of {len(record.services)} services does not fit into a cookie.")

    def _payload(self, record: Record, *, compact: bool) -> str:
        """Return the readable part; ``compact`` writes the services as one bit for each that the site declares."""
        if record.action is Action.REJECT:
            # All refusals of a day are the same bytes: nothing that tells one visitor from another goes in.
            record = Record(Action.REJECT, record.day, record.revision)
        services = "_".join(sorted(record.services))
        declared = sorted(service.id for service in self._site.optional) if compact else []
        if compact and record.revision == self._site.revision and record.services.issubset(declared):
            services = _to_bits(declared, record.services)
        fields = (
            record.action.value,
            str(record.day),
            record.revision,
            "1" if record.gpc else "0",
            "_".join(sorted(record.purposes)),
            services,
            record.receipt,
        )
        payload = "~".join(fields)
        if not _PAYLOAD.fullmatch(payload):
            raise ConsentError("The record holds an id, revision or receipt that cannot stand in a cookie.")
        return payload

    def _verify(self, token: str) -> Record | NoRecord:
        """Return what a token says, or why it says nothing."""
        if len(token) > MAX_READ:  # (2)
            return NoRecord.OVERSIZE
        with self._lock:
            known = self._verified.pop(token, None)
            if known is not None:
                self._verified[token] = known  # now the youngest
                return known
        shape = _TOKEN.fullmatch(token)
        if shape is None or not is_canonical(shape[2]):  # (3)
            return NoRecord.MALFORMED
        if not self._signer.validate(token):  # (4)
            return NoRecord.FORGED
        record = self.parse(shape[1])
        if record is None:  # (5)
            return NoRecord.MALFORMED
        with self._lock:
            self._verified[token] = record
            if len(self._verified) > _REMEMBERED:
                del self._verified[next(iter(self._verified))]
        return record

    def parse(self, payload: str) -> Record | None:
        """Return the record of a payload that this software signed, or None for one of another version."""
        found = _PAYLOAD.fullmatch(payload)
        if found is None or found["action"] not in _ACTIONS:
            return None
        services = frozenset(filter(None, found["services"].split("_")))
        if found["services"].startswith("B"):
            # Bits can only be read beside the list that they were written for; a choice that is
            # asked again anyway (another revision) grants nothing until then.
            current = found["revision"] == self._site.revision
            names = sorted(service.id for service in self._site.optional) if current else []
            try:
                services = _from_bits(names, found["services"])
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


_ACTIONS = frozenset(action.value for action in Action)


def _cookies(head: RequestHead) -> Iterator[tuple[str, str]]:
    """Yield the cookies of a request as RFC 6265 section 5.4 writes them, repeats kept."""
    for header in head.all("cookie"):
        for pair in header.split(";"):
            name, _, value = pair.strip(" \t").partition("=")
            yield name, value


def is_canonical(mac: str) -> bool:
    """Return whether ``mac`` is the one spelling of its bytes: the decoder ignores the last character's spare bits."""
    return base64.urlsafe_b64encode(base64.urlsafe_b64decode(f"{mac}=")).decode("ascii") == f"{mac}="


def _to_bits(names: list[str], granted: frozenset[str]) -> str:
    bits = sum(1 << place for place, name in enumerate(names) if name in granted)
    raw = bits.to_bytes(len(names) // 8 + 1, "little")
    return "B" + base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _from_bits(names: list[str], text: str) -> frozenset[str]:
    raw = base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4))
    bits = int.from_bytes(raw, "little")
    return frozenset(name for place, name in enumerate(names) if bits >> place & 1)
