"""
Access to the consent rates. Nobody has access until the owner configures it.

Any one of the methods in :class:`~consent_mw.core.model.StatsAccess` is enough. They are tried in this order; the
numbers are repeated in the code. Malformed credentials count as missing.

(1) The bearer token, for JSON, CSV and metrics only. It is stored as a SHA-256
    hash: a token of 256 random bits needs no slow hash.
(2) The session of a login with the password: a signed cookie that contains
    only a time and is valid for eight hours. The password's hash is part of
    the signing key, so a new password ends every session. Logging out ends the
    session in the store, so a copy of the cookie is useless in every process.
(3) The host site's own check, which gets the WSGI environ. Only ``True``
    grants access: an exception does not, nor does the coroutine of a check
    that was written for an asynchronous server.

Password guesses are throttled per process and for all clients together, so that no IP address is stored. An attacker
who keeps guessing can prevent the owner from logging in; existing sessions, the token and the check still work.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import re
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

from itsdangerous import BadSignature
from itsdangerous import TimestampSigner
from werkzeug.security import check_password_hash

from consent_mw.core.cache import BoundedCache
from consent_mw.core.model import Site
from consent_mw.core.signing import signer

logger = logging.getLogger("consent_mw.web")

#: Lifetime of a login, in seconds.
SESSION_SECONDS = 8 * 3600

#: Wrong passwords in a row before the first delay, to allow for typing errors.
FREE_ATTEMPTS = 5
#: Seconds without a guess after which earlier guesses are forgotten.
FORGET_SECONDS = 900
#: The longest delay between two guesses, in seconds: it allows 1,440 guesses a day, and an owner can still log in.
LONGEST_WAIT = 60

_SESSION = b"owner"
_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]{1,512}=*)", re.IGNORECASE | re.ASCII)


class Throttle:
    """
    Delays password guesses; shared by the threads of a process.

    Args:
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tried = 0
        self._last = 0.0
        self._open = 0.0

    def wait(self) -> int:
        """Take an attempt and return 0, or return the seconds until the next attempt is allowed."""
        with self._lock:
            now = self._clock()
            if now < self._open:
                return max(1, math.ceil(self._open - now))
            if now - self._last > FORGET_SECONDS:
                self._tried = 0
            # Counted before the password is checked, so that parallel guesses are not cheaper.
            self._tried += 1
            self._last = now
            # Limit the exponent, too: a million guesses would otherwise produce a huge number.
            over = min(self._tried - FREE_ATTEMPTS, 10)
            self._open = now + min(2**over, LONGEST_WAIT) if over >= 0 else now
            return 0

    def succeeded(self) -> None:
        """Forget all attempts, after a correct password."""
        with self._lock:
            self._tried = 0
            self._open = 0.0


class Documents(Protocol):
    """The part of :class:`consent_mw.records.Ledger` that stores documents by their hash."""

    def keep_notice(self, digest: str, document: bytes) -> None:
        """Store a document durably under its hash."""
        ...

    def notice(self, digest: str) -> bytes | None:
        """Return the document with this hash, or None."""
        ...


class EndedSessions:
    """
    The sessions that owners logged out of.

    The end of a session is stored as a document under its hash, like a notice: every process finds it there, and no
    store needs a table for it. The document contains the hash of the cookie, which grants no access.
    """

    def __init__(self, documents: Callable[[], Documents] | None) -> None:
        self._documents = documents
        self._known: BoundedCache[str, bool] = BoundedCache(1000, 500_000)

    def add(self, session: str) -> None:
        """End a session; raise RecordsError if the store fails, after this process has ended it."""
        document, digest = self._document(session)
        self._known.put(digest, True)
        if self._documents is not None:
            self._documents().keep_notice(digest, document)

    def __contains__(self, session: str) -> bool:
        """Return whether a session has ended; raise RecordsError if the store cannot say."""
        _, digest = self._document(session)
        if self._known.get(digest):
            return True
        if self._documents is None:
            return False
        ended = self._documents().notice(digest) is not None
        if ended:
            self._known.put(digest, True)
        return ended

    @staticmethod
    def _document(session: str) -> tuple[bytes, str]:
        name = hashlib.sha256(session.encode("utf-8", "replace")).hexdigest()
        document = f'{{"format":"consent_mw.session-end.v1","session":"{name}"}}'.encode()
        return document, hashlib.sha256(document).hexdigest()


class Gate:
    """
    Decides who may see the figures; one per process.

    Args:
        keys: Returns the signing keys, oldest first.
        now: Seconds since 1970, for the age of sessions.
        throttle: Delays password guesses.
        documents: Returns the store of ended sessions for all processes; None keeps them in this process.
    """

    def __init__(
        self,
        keys: Callable[[], Sequence[str]],
        *,
        now: Callable[[], float] = time.time,
        throttle: Throttle | None = None,
        documents: Callable[[], Documents] | None = None,
    ) -> None:
        self._keys = keys
        self._now = now
        self.throttle = throttle or Throttle()
        self._ended = EndedSessions(documents)

    def admits(self, site: Site, environ: Mapping[str, object], *, session: str, token: str | None) -> bool:
        """
        Return whether this request may see the figures; no other errors are raised.

        Args:
            environ: The WSGI environ, for the host site's own check.
            session: The session cookie's value, or empty.
            token: The Authorization header, or empty; None if tokens are not accepted here.

        Raises:
            RecordsError: if the store cannot say whether a session has ended.
        """
        return (
            (token is not None and self._has_token(site, token))  # (1)
            or self._in_session(site, session)  # (2)
            or self._is_let_in(site, environ)  # (3)
        )

    def log_in(self, site: Site, password: str) -> str | None:
        """Return the value of a new session cookie; None if the password is wrong or none is configured."""
        if not site.stats.password:
            return None
        try:
            # A wrong password takes as long as the right one.
            right = check_password_hash(site.stats.password, password)
        except (ValueError, TypeError):
            logger.error("the setting stats.password is not a hash: write what `consent-mw stats passwd` prints")
            return None
        if not right:
            return None
        self.throttle.succeeded()
        return self._signer(site).sign(_SESSION).decode("ascii")

    def log_out(self, site: Site, session: str) -> None:
        """
        End a session for good; anything that is not one of our sessions is ignored.

        Raises:
            RecordsError: if the end cannot be stored for other processes.
        """
        if self._is_signed(site, session):
            self._ended.add(session)

    @staticmethod
    def _has_token(site: Site, header: str) -> bool:
        found = _BEARER.fullmatch(header.strip())
        if not site.stats.token or found is None:
            return False
        given = hashlib.sha256(found[1].encode()).hexdigest()
        return hmac.compare_digest(given.encode(), site.stats.token.lower().encode())

    def _in_session(self, site: Site, cookie: str) -> bool:
        return self._is_signed(site, cookie) and cookie not in self._ended

    def _is_signed(self, site: Site, cookie: str) -> bool:
        if not site.stats.password or not cookie:
            return False
        try:
            return self._signer(site).unsign(cookie, max_age=SESSION_SECONDS) == _SESSION
        except BadSignature:  # expired, from the future, for another password, or not ours
            return False

    @staticmethod
    def _is_let_in(site: Site, environ: Mapping[str, object]) -> bool:
        if site.stats.check is None:
            return False
        try:
            answer: object = site.stats.check(environ)
        except Exception as error:  # an error in the host site's code means no access
            # Its message may quote the request, so it is not logged.
            logger.error("the check of the statistics failed with %s, so nobody is let in", type(error).__name__)
            return False
        if not isinstance(answer, bool):
            close = getattr(answer, "close", None)  # avoids a warning about a coroutine that was never awaited
            if callable(close):
                close()
            kind = type(answer).__name__
            logger.error("the check of the statistics returned %s, so nobody is let in: return True or False", kind)
        return answer is True

    def _signer(self, site: Site) -> TimestampSigner:
        password = hashlib.sha256(site.stats.password.encode()).hexdigest()
        made = signer(self._keys(), "consent_mw.stats.session.v1", site.id, site.mount, password, kind=_Signer)
        made.now = self._now
        return made


class _Signer(TimestampSigner):
    """A timestamp signer whose clock can be set."""

    now: Callable[[], float] = staticmethod(time.time)

    def get_timestamp(self) -> int:
        return int(self.now())
