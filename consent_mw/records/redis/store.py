"""What the parts of the Redis store share: the connection, the keys, and the errors."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager

from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.records.redis import keys
from consent_mw.records.redis import scripts
from consent_mw.records.redis.address import read
from consent_mw.records.redis.check import link_to
from consent_mw.records.redis.check import store_errors
from consent_mw.records.redis.link import RedisLink
from consent_mw.records.redis.link import Unfit

#: Number of rows that are read at once.
PAGE = 500


class RedisStore:
    """The connection to the records of a site, and its keys. It may be shared by threads and forked processes."""

    def __init__(self, url: str, *, site: str = "site") -> None:
        self.site = site
        self._address = read(url)
        self._keys = keys.Keys(site)
        self._link = link_to(self._address, self._keys, keys.VERSION)
        self._closed = False
        try:
            with store_errors(self._address):
                self._link.look()
        except Unfit as error:
            raise ConfigError([error.problem]) from None

    def clock(self) -> float | None:
        """Return the time of the server that has the site's records."""
        with self._using() as link:
            seconds, micros = link.script(scripts.CLOCK, (self._keys.schema,), (), repeat=True, confirm=False)
            return int(seconds) + int(micros) / 1_000_000

    def faults(self) -> list[str]:
        """Return the problems of the server's settings; if it can lose grants, it gets none until that is corrected."""
        try:
            with store_errors(self._address):
                return self._link.look_again()
        except Unfit as error:
            return [str(error)]

    def close(self) -> None:
        """Disconnect; further calls raise RecordsError."""
        self._closed = True
        self._link.close()

    @contextmanager
    def _using(self) -> Iterator[RedisLink]:
        """Lend the link, and turn any failure into RecordsError."""
        if self._closed:
            raise RecordsError(f"The records in {self._address.shown} are closed.")
        try:
            with store_errors(self._address):
                yield self._link
        except Unfit as error:
            raise RecordsError(f"{error.problem.what} {error.problem.remedy}") from None


def pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Return the pairs of an answer that lists names and values in turn."""
    return zip(flat[::2], flat[1::2], strict=True)
