"""Checks whether a Redis server is fit to keep records, with clear errors if it is not."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.exceptions import RedisError
from redis.exceptions import ResponseError

from consent_mw.errors import RecordsError
from consent_mw.records.redis.address import Address
from consent_mw.records.redis.keys import Keys
from consent_mw.records.redis.link import RedisLink
from consent_mw.records.redis.link import Unfit
from consent_mw.records.redis.link import reason
from consent_mw.records.remedies import server_remedy

__all__ = ["fit", "link_to", "newer", "store_errors"]

_log = logging.getLogger("consent_mw")


@contextmanager
def store_errors(address: Address) -> Iterator[None]:
    """Turn an error into one that names the store and reveals no secrets."""
    try:
        yield
    except RedisError as error:
        # Not chained: the message of redis-py may contain the arguments of the command.
        why = reason(error, address)
        raise RecordsError(f"The records in {address.shown} cannot be used: {why}.{server_remedy(why)}") from None
    except UnicodeEncodeError as error:
        raise RecordsError(f"The records in {address.shown} cannot hold this text: {error.reason}.") from error
    except (ValueError, TypeError, zlib.error) as error:
        raise RecordsError(f"Something in the records in {address.shown} is not as it was written.") from error


def link_to(address: Address, names: Keys, version: int | None) -> RedisLink:
    """Return a link that checks each server it finds; if ``version`` is None, any version will do."""
    warned: list[bool] = []

    def look(run: Callable[..., list[Any]]) -> list[str]:
        fit(run)
        if version is not None:
            _same_version(run, names, address, version)
        if _setting(run, "appendfsync") in {"always", ""}:
            return []
        if address.replicas == 0:
            remedy = 'Set "appendfsync always" in redis.conf, or let a replica confirm each write: ?replicas=1.'
            raise Unfit("The server may lose the grants of its last two seconds when it is killed.", remedy)
        warning = (
            f"the Redis of {address.shown} may lose the grants of the last two seconds when a master and its replicas "
            "are killed at once or their power fails: set appendfsync always"
        )
        if not warned:
            warned.append(True)
            _log.warning("%s", warning)
        return [warning]

    return RedisLink(address, names.schema, look)


def fit(run: Callable[..., list[Any]]) -> None:
    """Raise Unfit if the server can lose acknowledged writes, or records their times."""
    (answer,) = run(("INFO",))
    lines = (line.partition(":") for line in answer.decode().splitlines())
    info = {name: value for name, _, value in lines}
    release = info.get("redis_version", "")
    if tuple(int(part) for part in release.split(".")[:2] if part.isdigit()) < (6, 2):
        raise Unfit(f"The server is Redis {release}.", "Records need Redis 6.2 or newer.")
    if info.get("aof_enabled") != "1":
        remedy = 'Set "appendonly yes" and "appendfsync always" in redis.conf.'
        raise Unfit("The server forgets acknowledged grants when it stops: its append-only file is off.", remedy)
    if info.get("maxmemory", "0") != "0" and info.get("maxmemory_policy", "").startswith("allkeys-"):
        remedy = 'Set "maxmemory-policy noeviction" in redis.conf, or name a server of its own.'
        raise Unfit("The server throws records away when its memory is full.", remedy)
    if _setting(run, "aof-timestamp-enabled") == "yes":
        remedy = 'Set "aof-timestamp-enabled no" in redis.conf.'
        raise Unfit("The server notes the second of each choice in its append-only file.", remedy)


def _setting(run: Callable[..., list[Any]], name: str) -> str:
    """Return a setting of the server; empty if it does not exist or the server does not reveal it."""
    try:
        (answer,) = run(("CONFIG", "GET", name))
    except ResponseError:
        return ""
    return answer[1].decode() if answer else ""


def _same_version(run: Callable[..., list[Any]], names: Keys, address: Address, version: int) -> None:
    """Raise if the records belong to another version; give an empty store this version."""
    (found,) = run(("GET", names.schema))
    if found is None:
        _, found = run(("SET", names.schema, version, "NX"), ("GET", names.schema))
    if int(found) > version:
        raise RecordsError(newer(address))
    if int(found) < version:
        what = f"The records in {address.shown} were written by an older version of consent_mw."
        raise RecordsError(f"{what} Run: consent-mw records migrate.")


def newer(address: Address) -> str:
    return f"The records in {address.shown} were written by a newer version of consent_mw: update this one."
