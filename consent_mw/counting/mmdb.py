"""Providers from a local database, so that no other party learns of a visitor."""

from __future__ import annotations

import logging
import os
import re
import time
import unicodedata
from itertools import islice
from typing import TYPE_CHECKING

from consent_mw.counting.background import Background
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem
from consent_mw.public_suffix import registrable

if TYPE_CHECKING:
    from maxminddb.reader import Reader

__all__ = ["MmdbLookup", "provider_of"]

_log = logging.getLogger("consent_mw")

#: The longest slug of an organisation's name, in characters.
MAX_SLUG = 48
#: Seconds between two checks whether the file was replaced.
LOOK_AGAIN = 60.0
#: How many records are examined at start-up.
LOOKED_AT = 1000


class MmdbLookup(Background):
    """
    A database in MaxMind's format with autonomous systems or providers.

    The file is read on demand and never mapped into memory, since truncating a mapped file would crash the process. A
    replaced file is noticed within a minute.

    Args:
        path: The path of the file.

    Raises:
        ConfigError: the file cannot be read, is damaged, or contains no providers.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._reader: Reader | None = None
        self._seen: tuple[int, ...] = ()
        self._look_again = 0.0
        _check(path)
        super().__init__()

    def _begin(self) -> None:
        # A file descriptor that a child inherits shares its position with the parent's.
        self._let_go()
        super()._begin()

    def close(self, grace: float = 0.0) -> None:
        """End the lookups (:meth:`IspLookup.close`), and close the file."""
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
        """Return a reader of the current file; the previous reader if the file cannot be read."""
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
    """Return a value that changes when the file is replaced."""
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _read(path: str) -> Reader:
    import maxminddb

    return maxminddb.open_database(path, maxminddb.MODE_FILE)


def _check(path: str) -> None:
    """Raise ConfigError unless the first records contain providers."""
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
    except Exception:  # a damaged file can make the reader raise anything
        what = f"The file {path} is damaged, or is not a database in MaxMind's format."
        raise ConfigError([Problem("site.isp", what, remedy)]) from None
    if not known:
        what = f"The database {path} names no provider in its first records."
        raise ConfigError([Problem("site.isp", what, remedy)])


def provider_of(record: object) -> str:
    """
    Return the domain in a database record, else the organisation's name as a slug, else an empty string.

    Supports the layouts of IPinfo (Lite, ASN, and those with nested systems), DB-IP, GeoLite2 and GeoIP2 (ASN, ISP,
    Domain).
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
            # In other databases a "name" is not an organisation's.
            if isinstance(text, str) and (field != "name" or "asn" in place) and (slug := _slug(text)):
                return slug
    return ""


_NESTED = ("as", "asn", "traits")
_DOMAINS = ("as_domain", "domain")
_ORGANISATIONS = ("isp", "as_name", "autonomous_system_organization", "as_organization", "organization", "name")


def _slug(text: str) -> str:
    """Return ``text`` as letters, digits and single hyphens, at most MAX_SLUG characters."""
    plain = unicodedata.normalize("NFKD", text[:256]).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG].rstrip("-")
