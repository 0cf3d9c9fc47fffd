"""
The address of a Redis store, parsed once, at start-up.

==============================================================  =====================================================
``redis://[user:pass@]host[:port][/DB]``                        one server
``rediss://…``                                                  the same, over TLS
``redis+sentinel://[user:pass@]host[:port],…/SERVICE[/DB]``     the master behind these Sentinels (port 26379)
``redis+cluster://[user:pass@]host[:port],…``                   the node of a Cluster with the site (port 6379)
==============================================================  =====================================================

Options follow after ``?``:

``replicas``
    The number of replicas that must confirm a write. The default is 0 for a single server, 1 for Sentinel, and 1 for
    a Cluster that has replicas.
``timeout``
    Seconds to connect, and for each answer; the default is 0.3, since a visitor may be waiting.
``tls``
    ``1``: connect to Sentinel or the Cluster over TLS.
``ca``, ``cert``, ``key``
    Paths of PEM files for TLS: the trusted authorities, our certificate and its key.
``sentinel_user``, ``sentinel_password``
    For Sentinels that have their own password.

User, password and options are percent-encoded, as in any URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import field
from enum import Enum
from urllib.parse import SplitResult
from urllib.parse import parse_qsl
from urllib.parse import unquote
from urllib.parse import urlsplit

from consent_mw.errors import ConfigError
from consent_mw.errors import Problem

__all__ = ["Address", "Topology", "Place", "read"]

#: Seconds to connect, and for each answer, by default.
TIMEOUT = 0.3

#: A host and a port.
Place = tuple[str, int]

_OPTIONS = frozenset({"replicas", "timeout", "tls", "ca", "cert", "key", "sentinel_user", "sentinel_password"})


class Topology(Enum):
    """How the server with the site's records is found."""

    ONE = "redis"
    SENTINEL = "redis+sentinel"
    CLUSTER = "redis+cluster"


@dataclass(frozen=True, slots=True)
class Address:
    """
    The address of a store.

    Args:
        places: The server, the Sentinels, or some nodes of the Cluster.
        service: The name by which the Sentinels know the master.
        replicas: How many must confirm a write; None if that depends on the Cluster.
        timeout: Seconds to connect, and for each answer.
        shown: The address without secrets, for messages.
    """

    kind: Topology
    places: tuple[Place, ...]
    shown: str
    database: int = 0
    service: str = ""
    replicas: int | None = None
    timeout: float = TIMEOUT
    tls: bool = False
    ca: str = ""
    cert: str = ""
    key: str = ""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    sentinel_user: str = field(default="", repr=False)
    sentinel_password: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Strings that must not appear in any message, the longest first."""
        found = {self.user, self.password, self.sentinel_user, self.sentinel_password} - {""}
        return tuple(sorted(found, key=len, reverse=True))


def read(url: str) -> Address:
    """
    Parse an address.

    Raises:
        ConfigError: the address is malformed, or an option is unknown; the message contains nothing secret.
    """
    scheme = url.partition("://")[0]
    kind = Topology.ONE if scheme == "rediss" else Topology(scheme)
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True) if parts.query else ())
        places = _places(parts, 26379 if kind is Topology.SENTINEL else 6379)
    except ValueError:
        raise _wrong("It cannot be read.", f"Write {_example(kind)}, with user and password percent-encoded.") from None
    if kind is Topology.ONE and len(places) != 1:
        raise _wrong("It names several servers.", 'Write one, or "redis+sentinel://" or "redis+cluster://".')
    if unknown := sorted(options.keys() - _OPTIONS):
        raise _wrong(f"The option {unknown[0]!r} is not known.", f"There are {', '.join(sorted(_OPTIONS))}.")
    service, database = _path(kind, parts.path)
    replicas = options.get("replicas", {Topology.ONE: "0", Topology.SENTINEL: "1"}.get(kind, ""))
    if replicas and not _is_number(replicas):
        raise _wrong("The option 'replicas' is not a number.", "Write how many must confirm a write: replicas=1.")
    timeout = options.get("timeout", str(TIMEOUT))
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", timeout) or float(timeout) < 0.01:
        raise _wrong("The option 'timeout' is not a number of seconds.", "Write at most two digits: timeout=0.3.")
    if options.get("tls", "0") not in {"0", "1"}:
        raise _wrong("The option 'tls' is neither 0 nor 1.", "Write tls=1, or leave it out.")
    account = parts.netloc.rpartition("@")[0]
    user, _, password = account.partition(":")
    hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in places)
    return Address(
        kind=kind,
        places=places,
        shown=f"{scheme}://{hosts}{parts.path}",
        database=database,
        service=service,
        replicas=int(replicas) if replicas else None,
        timeout=float(timeout),
        tls=scheme == "rediss" or options.get("tls") == "1",
        ca=options.get("ca", ""),
        cert=options.get("cert", ""),
        key=options.get("key", ""),
        user=unquote(user),
        password=unquote(password),
        sentinel_user=options.get("sentinel_user", ""),
        sentinel_password=options.get("sentinel_password", ""),
    )


def _places(parts: SplitResult, port: int) -> tuple[Place, ...]:
    """Return the hosts and ports; raise ValueError if one is missing or wrong."""
    places = []
    for text in parts.netloc.rpartition("@")[2].split(","):
        if text.startswith("["):
            host, closed, rest = text[1:].partition("]")
            if not closed or (rest and not rest.startswith(":")):
                raise ValueError(text)
            number = rest[1:]
        else:
            host, _, number = text.partition(":")
        if not host or (number and not (_is_number(number) and 0 < int(number) < 65536)):
            raise ValueError(text)
        places.append((host, int(number) if number else port))
    return tuple(places)


def _path(kind: Topology, path: str) -> tuple[str, int]:
    """Return the name of the service and the number of the database."""
    parts = path.strip("/").split("/") if path.strip("/") else []
    service = ""
    if kind is Topology.SENTINEL:
        if not parts:
            raise _wrong("The name of the master is missing.", f"Write {_example(kind)}.")
        service = unquote(parts.pop(0))
    database = parts.pop(0) if parts else "0"
    if parts or not _is_number(database):
        raise _wrong("What follows the host is not a database.", f"Write {_example(kind)}.")
    if kind is Topology.CLUSTER and int(database):
        raise _wrong("A Cluster has no databases but 0.", f"Write {_example(kind)}.")
    return service, int(database)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6


def _example(kind: Topology) -> str:
    return {
        Topology.ONE: 'records = "redis://127.0.0.1:6379/0"',
        Topology.SENTINEL: 'records = "redis+sentinel://10.0.0.1:26379,10.0.0.2:26379/mymaster"',
        Topology.CLUSTER: 'records = "redis+cluster://10.0.0.1:6379,10.0.0.2:6379"',
    }[kind]


def _wrong(what: str, remedy: str) -> ConfigError:
    return ConfigError([Problem("site.records", f"The address of the store in Redis: {what}", remedy)])
