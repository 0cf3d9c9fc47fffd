"""
The connection to the one server that holds a site's records, with timeouts that suit a page.

All keys of a site share one hash tag, so one server has them all, in a Cluster too. A :class:`RedisLink` finds that
server (from the address, from Sentinel, or from the nodes of the Cluster), checks that it is suitable, and talks to it
through redis-py. redis-py's own clients for Sentinel and Cluster are not used: they ask one silent machine after the
other and sleep between retries, while a page has half a second. And ``WAIT`` must follow a write on the same
connection, which they do not offer.

After a failure, the next call looks for the server again. A call is retried only if it cannot have arrived, or if it
changes nothing when it arrives twice.

**Failover.** With Sentinel, or a Cluster that has replicas, a write counts as done only after a replica confirmed it
(``WAIT``). So it is on the replica that gets promoted when the master dies: the only one, or the one that has read
furthest, which Sentinel and the Cluster prefer. (Sentinel looks at ``replica-priority`` first: give all replicas the
same value.) A deposed master that does not know it yet has no replica left to confirm anything, so none of its writes
count. The price: without a replica no write is acknowledged, and the grants go to the spool; ``?replicas=0`` is the
alternative. With ``?replicas=2`` an entry survives the loss of two machines.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import TypeVar

import redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import AskError
from redis.exceptions import AuthenticationError
from redis.exceptions import ClusterDownError
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import MasterDownError
from redis.exceptions import MovedError
from redis.exceptions import NoPermissionError
from redis.exceptions import NoScriptError
from redis.exceptions import ReadOnlyError
from redis.exceptions import RedisError
from redis.exceptions import ResponseError
from redis.exceptions import TryAgainError
from redis.retry import Retry

from consent_mw.errors import Problem
from consent_mw.records.redis.address import Address
from consent_mw.records.redis.address import Place
from consent_mw.records.redis.address import Topology
from consent_mw.records.redis.scripts import Script

__all__ = ["RedisLink", "Unfit", "Value", "reason"]

#: A part of a command.
Value = str | bytes | int
Command = Sequence[Value]
T = TypeVar("T")

#: Seconds to wait for an answer to commands that no page waits for; they may move thousands of entries.
SLOW_TIMEOUT = 2.0
#: The share of the time limit that replicas have to confirm a write. Redis checks its timeouts ten times a second, so
#: its answer may be 0.1 seconds late and still has to arrive within the limit.
CONFIRM = 1 / 3
#: The share of the time limit for one Sentinel or node to say where the server is; together they have all of it.
ASK = 1 / 3


class Unfit(Exception):
    """The server answers, but cannot or must not hold records."""

    def __init__(self, what: str, remedy: str) -> None:
        self.problem = Problem("site.records", what, remedy)
        super().__init__(f"{what} {remedy}")


class _Absent(RedisError):
    """Nobody knows where the server is, or it is not ready; worth another try."""


class _Unconfirmed(RedisError):
    """Too few replicas confirmed a write in time, so it may be lost with the server."""


@dataclass(frozen=True, slots=True)
class Node:
    """The server that holds the site: one client for pages, one for slow commands."""

    place: Place
    replicas: int
    quick: redis.Redis
    slow: redis.Redis

    def close(self) -> None:
        """Close the idle connections."""
        for client in (self.quick, self.slow):
            client.connection_pool.disconnect(inuse_connections=False)


class RedisLink:
    """
    Finds the server of ``address`` that holds ``key``, and talks to it; threads and forked processes may share it.

    Args:
        check: Called with a function that reads from a server that was just found; returns warnings, and raises Unfit
            if it is unsuitable.
    """

    def __init__(self, address: Address, key: str, check: Callable[[Callable[..., list[Any]]], list[str]]) -> None:
        self.address = address
        self._key = key
        self._check = check
        self._process = os.getpid()
        self._node: Node | None = None
        #: The machines to ask for the server; the one that answered last comes first.
        self._ask: tuple[Place, ...] = address.places
        #: The last master that a Sentinel named, and the number of replicas that must confirm a write.
        self._named: tuple[Place, int] | None = None

    # -- commands

    def read(self, *command: Value, slow: bool = False) -> Any:
        """Run a read-only command, and return its raw answer."""
        return self.read_all([command], slow=slow)[0]

    def read_all(self, commands: Sequence[Command], *, slow: bool = False) -> list[Any]:
        """Run read-only commands in one round trip, and return their answers."""
        return self._with_node(lambda node: _run(_client_of(node, slow), commands), repeat=True)

    def write(self, *command: Value) -> Any:
        """Run a command whose effect may be lost with the server."""
        return self._with_node(lambda node: _run(node.quick, [command]), repeat=False)[0]

    def script(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[Value],
        *,
        slow: bool = False,
        repeat: bool = False,
        confirm: bool = True,
    ) -> Any:
        """
        Run a script, and return its answer.

        Args:
            slow: Whether no page waits for it.
            repeat: Whether it may run twice.
            confirm: Whether replicas have to confirm it.
        """

        def work(node: Node) -> Any:
            client = _client_of(node, slow)
            wait = (
                [("WAIT", node.replicas, int(self.address.timeout * CONFIRM * 1000))]
                if confirm and node.replicas
                else []
            )
            try:
                answers = _run(client, [("EVALSHA", script.digest, len(keys), *keys, *args), *wait])
            except NoScriptError:  # the server was restarted, or is new
                answers = _run(client, [("EVAL", script.text, len(keys), *keys, *args), *wait])
            if wait and answers[1] < node.replicas:
                raise _Unconfirmed(f"{answers[1]} of {node.replicas} replicas confirmed a write in time")
            return answers[0]

        return self._with_node(work, repeat=repeat)

    def look_up(self, script: Script, calls: Sequence[tuple[Sequence[str], Sequence[Value]]]) -> list[Any]:
        """Run a script that changes nothing once for each pair of keys and arguments, in one round trip."""

        def work(node: Node) -> list[Any]:
            client = _client_of(node, slow=True)
            commands = [("EVALSHA", script.digest, len(keys), *keys, *args) for keys, args in calls]
            try:
                return _run(client, commands)
            except NoScriptError:
                keys, args = calls[0]
                return _run(client, [("EVAL", script.text, len(keys), *keys, *args), *commands[1:]])

        return self._with_node(work, repeat=True)

    def look(self) -> None:
        """
        Find the server and check it now rather than at the first call; keep no connection.

        Raises:
            Unfit: it cannot or must not hold records.
        """
        self._with_node(lambda node: None, repeat=False)
        self.close()

    def look_again(self) -> list[str]:
        """
        Check the server again, since its settings may have changed, and return warnings.

        Raises:
            Unfit: it must not hold records any more; every call fails until its settings are corrected.
        """

        def check(node: Node) -> list[str]:
            try:
                return self._check(lambda *commands: _run(node.quick, commands))
            except Unfit:
                self._forget(node)
                raise

        return self._with_node(check, repeat=True)

    def close(self) -> None:
        """Disconnect; the next call looks for the server again."""
        node, self._node = self._node, None
        if node is not None and self._process == os.getpid():
            node.close()
        elif node is not None:
            _abandoned.append(node)

    def _with_node(self, work: Callable[[Node], T], *, repeat: bool) -> T:
        if self._process != os.getpid():
            # Connections and locks of redis-py belong to the parent process: neither is touched here.
            if self._node is not None:
                _abandoned.append(self._node)
            self._process, self._node = os.getpid(), None
        again = True
        while True:
            node = self._node
            try:
                if node is None:
                    node = self._node = self._found()
                return work(node)
            except MovedError as error:
                self._forget(node)
                if self.address.kind is not Topology.CLUSTER:
                    raise _cluster_node() from None
                self._ask = _first((error.host, error.port), self._ask)
                if not again:
                    raise
            except RedisError as error:
                if _may_be_elsewhere(error):
                    self._forget(node)
                nothing_done = isinstance(error, ReadOnlyError) or "READONLY" in str(error)
                if not again or node is None or not (nothing_done or (repeat and _is_broken(error))):
                    raise
            again = False

    def _forget(self, node: Node | None) -> None:
        if node is not None and self._node is node:
            self._node = None
            node.close()

    # -- finding the server

    def _found(self) -> Node:
        """Find the server and check it."""
        if self.address.kind is Topology.SENTINEL:
            place, replicas = self._sentinels_say()
        elif self.address.kind is Topology.CLUSTER:
            place, replicas = self._asked(self._owner)
        else:
            place, replicas = self.address.places[0], 0
        if self.address.replicas is not None:
            replicas = self.address.replicas
        limit = self.address.timeout
        quick = self._client(place, limit)
        node = Node(place, replicas, quick, self._client(place, max(limit, SLOW_TIMEOUT)))
        ((role, *_),) = _run(quick, [("ROLE",)])
        if role != b"master":
            if self.address.kind is Topology.ONE:
                raise Unfit(f"{self.address.shown} is a replica: it takes no records.", "Name its master instead.")
            raise _Absent(f"{place[0]}:{place[1]} is not the master any more")
        self._check(lambda *commands: _run(quick, commands))
        return node

    def _sentinels_say(self) -> tuple[Place, int]:
        """Return the master, or while no Sentinel answers, the last one named: its role is checked anyway."""
        try:
            self._named = self._asked(self._master)
        except _Absent:
            if self._named is None:
                raise
        return self._named

    def _asked(self, question: Callable[[redis.Redis, Place], tuple[Place, int]]) -> tuple[Place, int]:
        """Ask the machines one after the other until one answers."""
        limit = self.address.timeout
        until = time.monotonic() + limit
        why = "nobody was asked"
        for place in self._ask:
            left = until - time.monotonic()
            if left <= 0:
                break
            with self._client(place, min(limit * ASK, left), sentinel=self.address.kind is Topology.SENTINEL) as client:
                try:
                    found = question(client, place)
                except AuthenticationError:
                    raise
                except RedisError as error:
                    why = f"{place[0]}:{place[1]}: {error}"
                    continue
            self._ask = _first(place, self._ask)
            return found
        what = "Sentinel" if self.address.kind is Topology.SENTINEL else "node of the Cluster"
        raise _Absent(f"no {what} says where the records are ({why})")

    def _master(self, client: redis.Redis, place: Place) -> tuple[Place, int]:
        """Ask a Sentinel for the master."""
        (answer,) = _run(client, [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.address.service)])
        if answer is None:
            raise _Absent(f"it knows no master {self.address.service!r}")
        host, port = answer
        return (host.decode(), int(port)), 1

    def _owner(self, client: redis.Redis, place: Place) -> tuple[Place, int]:
        """Ask a node of the Cluster who owns the slot of the site's keys, and whether there are replicas."""
        try:
            (answer,) = _run(client, [("CLUSTER", "NODES")])
        except ResponseError as error:
            if "cluster support disabled" in str(error):
                what = f"{place[0]}:{place[1]} is not a node of a Cluster."
                raise Unfit(what, 'Write "redis://" for a single server.') from None
            raise
        slot = key_slot(self._key.encode())
        owner: Place | None = None
        known: list[Place] = []
        spare = False
        for line in answer.decode().splitlines():
            _, where, flags, _, _, _, _, _, *slots = line.split(" ")
            host, _, port = where.partition("@")[0].rpartition(":")
            node = (host.strip("[]") or place[0], int(port))
            marks = set(flags.split(","))
            if marks & {"noaddr", "handshake"}:
                continue
            known.append(node)
            # A failed master without slots was replaced by its replica, and comes back as a replica.
            spare = spare or "slave" in marks or (bool(marks & {"fail", "fail?"}) and not slots)
            for run in slots:
                first, _, last = run.partition("-")
                if first.isdigit() and int(first) <= slot <= int(last or first):
                    owner = node
        if owner is None:
            raise _Absent(f"no node owns slot {slot}")
        self._ask = tuple(dict.fromkeys((*known, *self.address.places)))
        return owner, int(spare)

    def _client(self, place: Place, timeout: float, *, sentinel: bool = False) -> redis.Redis:
        """Return a client that does not retry; nothing is sent yet."""
        address = self.address
        tls: dict[str, Any] = {}
        if address.tls:
            files = {"ssl_ca_certs": address.ca, "ssl_certfile": address.cert, "ssl_keyfile": address.key}
            tls = {"ssl": True, **{name: path for name, path in files.items() if path}}
        client = redis.Redis(
            host=place[0],
            port=place[1],
            db=0 if sentinel else address.database,
            username=(address.sentinel_user if sentinel else address.user) or None,
            password=(address.sentinel_password if sentinel else address.password) or None,
            socket_timeout=timeout,
            socket_connect_timeout=min(timeout, address.timeout),
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            **tls,
        )
        # Answers stay raw: redis-py parses them differently from version to version.
        client.response_callbacks.clear()
        return client


_MOVING: dict[str, type[ResponseError]] = {
    "ASK": AskError,
    "CLUSTERDOWN": ClusterDownError,
    "MASTERDOWN": MasterDownError,
    "MOVED": MovedError,
    "TRYAGAIN": TryAgainError,
}

#: Servers that the parent process was connected to, kept so that its connections are not closed here.
_abandoned: list[Node] = []


def _client_of(node: Node, slow: bool) -> redis.Redis:
    """Return the client for pages, or the one for slow commands."""
    if slow:
        _run(node.quick, [("PING",)])
    return node.slow if slow else node.quick


def _run(client: redis.Redis, commands: Sequence[Command]) -> list[Any]:
    """Run commands on one connection in one round trip; raise the first error."""
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
    answers: list[Any] = pipeline.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, Exception):
            # Before 5.1, only the Cluster client of redis-py knew the errors of a Cluster.
            word, _, rest = str(answer).partition(" ")
            raise _MOVING[word](rest) if word in _MOVING else answer
    return answers


def _cluster_node() -> Unfit:
    return Unfit("The server is a node of a Cluster.", 'Write "redis+cluster://" and the addresses of some nodes.')


def _first(place: Place, places: Sequence[Place]) -> tuple[Place, ...]:
    return place, *(other for other in places if other != place)


def _is_broken(error: RedisError) -> bool:
    """Return whether the connection broke or could not be made; a timeout is neither."""
    return isinstance(error, NoConnection) and not isinstance(error, AuthenticationError)


def _may_be_elsewhere(error: RedisError) -> bool:
    """Return whether to look for the server again: after every error but a refusal of the command itself."""
    moving = (AskError, ClusterDownError, MasterDownError, ReadOnlyError, TryAgainError)
    # An error inside a script is wrapped in a message about the script.
    return not isinstance(error, ResponseError) or isinstance(error, moving) or "READONLY" in str(error)


def reason(error: Exception, address: Address) -> str:
    """Return an error message without arguments of commands and without passwords."""
    if isinstance(error, AuthenticationError | NoPermissionError):
        return "the server refuses the user or the password, or does not allow them what is needed"
    # A server that does not know a command repeats its arguments: a receipt, or a password.
    text = str(error).partition(", with args")[0].splitlines()[0] if str(error) else type(error).__name__
    for secret in address.secrets:
        text = text.replace(secret, "…")
    return text.rstrip(".")
