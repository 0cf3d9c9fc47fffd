"""
Real Redis servers for the tests, on free loopback ports: one server, a Cluster of three, a master with Sentinels.

Each server has its own folder and its append-only file on. The Cluster's masters have a replica each on request.
"""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import ExitStack
from contextlib import closing
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from consent_mw.errors import RecordsError
from consent_mw.records.redis.keys import Keys

SERVICE = "consent"
SLOTS = 16384
#: The timeouts of a store, in seconds: a long one for most tests, since the machine may be busy, and a short one for
#: tests of failures.
PATIENT = 10
QUICK = 1
#: The port of a node's cluster bus is its port plus this.
BUS = 10000


def program() -> str | None:
    """Return the path of redis-server, or None if it is not installed."""
    return shutil.which("redis-server")


def free_port() -> int:
    """Return a free port for which the port of the cluster bus is free too."""
    while True:
        # Below the kernel's ephemeral ports, so that the port is still free when a server is restarted.
        port = random.randrange(10_000, 22_000)
        with closing(socket.socket()) as one, closing(socket.socket()) as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + BUS))
            except OSError:
                continue
            return port


def wait_until(what: Callable[[], object], seconds: float = 30) -> None:
    """Wait until ``what`` is true; errors of Redis and of a store count as false."""
    until = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < until:
        try:
            if last := what():
                return
        except (redis.RedisError, RecordsError) as error:
            last = error
        time.sleep(0.02)
    raise AssertionError(f"still {last!r} after {seconds} seconds")


class Server:
    """
    One redis-server; it can be killed, frozen, and restarted with its data.

    Args:
        settings: Lines of ``redis.conf``, by their first word.
        mode: ``--sentinel`` for a Sentinel.
    """

    def __init__(self, folder: Path, settings: dict[str, str] | None = None, *, mode: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self._password = (settings or {}).get("requirepass")
        self._mode = mode
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        lines = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(folder)}
        if not mode:
            lines |= {"appendonly": "yes", "appendfsync": "always", "save": '""', "repl-diskless-sync-delay": "0"}
        # Sentinel and replicas add their own lines to it.
        text = "".join(f"{name} {value}\n" for name, value in (lines | (settings or {})).items())
        (folder / "redis.conf").write_text(text)
        self.start()

    @property
    def place(self) -> str:
        """The host and port, as in a URL."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process is not None
        return self._process.pid

    def client(self, **options: Any) -> redis.Redis:
        """Return a client of redis-py for this server."""
        options = {"password": self._password, "socket_timeout": 5, "protocol": 2, **options}
        return redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0), **options)

    def ask(self, *command: str | int | bytes) -> Any:
        """Run a command and return the raw answer."""
        with self.client() as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)

    def start(self) -> None:
        """Start the server with its port and data, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            command = ["redis-server", str(self.folder / "redis.conf"), *([self._mode] if self._mode else [])]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        wait_until(self._is_up)

    def kill(self) -> None:
        """Kill the server at once."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Suspend the server: its port stays open, but it does not answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the server."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"redis-server did not start: {(self.folder / 'log').read_text()[-2000:]}")
        try:
            return bool(self.ask("PING") == b"PONG")
        except redis.AuthenticationError:
            return True


class Deployment:
    """
    The servers of one store, and its address.

    Args:
        kind: The scheme of its address.
        servers: The servers that store records.
        sentinels: The Sentinels that watch them.
    """

    def __init__(self, kind: str, url: str, servers: Sequence[Server], sentinels: Sequence[Server] = ()) -> None:
        self.kind = kind
        self.url = url
        self.servers = tuple(servers)
        self.sentinels = tuple(sentinels)

    @property
    def patient(self) -> str:
        """The address, with a timeout that is never reached."""
        return f"{self.url}?timeout={PATIENT}"

    @property
    def quick(self) -> str:
        """The address, with a timeout that a server may exceed."""
        return f"{self.url}?timeout={QUICK}"

    def master(self, site: str = "site") -> Server:
        """Return the server that currently has the records of a site."""
        if self.kind == "redis":
            return self.servers[0]
        if self.kind == "redis+sentinel":
            _, port = self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
            return self._by_port(int(port))
        key = Keys(site).schema
        slot = self.servers[0].ask("CLUSTER", "KEYSLOT", key)
        for first, last, (_, port, *_), *_ in self.servers[0].ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return self._by_port(int(port))
        raise AssertionError(f"nobody owns slot {slot}")

    def replicas(self, master: Server) -> list[Server]:
        """Return the replicas of ``master``."""
        roles = [(server, server.ask("ROLE")) for server in self.servers if server is not master]
        return [server for server, role in roles if role[0] == b"slave" and role[2] == master.port]

    def empty(self) -> None:
        """Delete all data of the store."""
        for server in self.servers:
            if server.ask("ROLE")[0] == b"master":
                server.ask("FLUSHALL")

    def _by_port(self, port: int) -> Server:
        return next(server for server in self.servers if server.port == port)


@contextmanager
def _farm() -> Iterator[Callable[..., Server]]:
    """Lend a function that starts a server; at the end, kill all servers and remove their files."""
    if program() is None:
        raise FileNotFoundError("redis-server is not on this machine")
    folder = Path(tempfile.mkdtemp(prefix="cmw-redis-", dir="/tmp"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        number = 0

        def start(settings: dict[str, str] | None = None, *, mode: str = "") -> Server:
            nonlocal number
            number += 1
            server = Server(folder / str(number), settings, mode=mode)
            stack.callback(server.kill)
            return server

        yield start


@contextmanager
def standalone(settings: dict[str, str] | None = None) -> Iterator[Deployment]:
    """Start one server."""
    with _farm() as start:
        server = start(settings)
        yield Deployment("redis", f"redis://{server.place}/0", [server])


@contextmanager
def sentinel(
    *,
    replicas: int = 1,
    sentinels: int = 1,
    settings: dict[str, str] | None = None,
    watching: dict[str, str] | None = None,
) -> Iterator[Deployment]:
    """Start a master, its replicas, and Sentinels (set by ``watching``) that promote one of them within a second."""
    settings = settings or {}
    with _farm() as start:
        master = start(settings)
        followers = [start({**settings, "replicaof": f"127.0.0.1 {master.port}"}) for _ in range(replicas)]
        wait_until(lambda: len(master.ask("ROLE")[2]) == replicas)
        watch = {
            "sentinel monitor": f"{SERVICE} 127.0.0.1 {master.port} {sentinels // 2 + 1}",
            "sentinel down-after-milliseconds": f"{SERVICE} 300",
            "sentinel failover-timeout": f"{SERVICE} 2000",
            **({"sentinel auth-pass": f"{SERVICE} {settings['requirepass']}"} if "requirepass" in settings else {}),
            **(watching or {}),
        }
        watchers = [start(watch, mode="--sentinel") for _ in range(sentinels)]

        def known() -> bool:
            return all(
                len(watcher.ask("SENTINEL", "REPLICAS", SERVICE)) == replicas
                and len(watcher.ask("SENTINEL", "SENTINELS", SERVICE)) == sentinels - 1
                for watcher in watchers
            )

        wait_until(known)
        url = f"redis+sentinel://{','.join(watcher.place for watcher in watchers)}/{SERVICE}/0"
        yield Deployment("redis+sentinel", url, [master, *followers], watchers)


@contextmanager
def cluster(*, replicas: int = 0, settings: dict[str, str] | None = None) -> Iterator[Deployment]:
    """Start a Cluster of three masters, each with ``replicas`` replicas."""
    with _farm() as start:
        own = {
            "cluster-enabled": "yes",
            "cluster-node-timeout": "1000",
            "cluster-require-full-coverage": "no",
            # Redis does not promote a replica that was connected only recently.
            "cluster-replica-validity-factor": "0",
            **(settings or {}),
        }
        nodes = [start(own) for _ in range(3 * (1 + replicas))]
        masters, followers = nodes[:3], nodes[3:]
        for number, node in enumerate(masters):
            node.ask("CLUSTER", "ADDSLOTSRANGE", SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
        wait_until(lambda: all(node.ask("CLUSTER", "NODES").count(b" connected") == len(nodes) for node in nodes))
        wait_until(lambda: all(b"cluster_state:ok" in node.ask("CLUSTER", "INFO") for node in nodes))
        for number, node in enumerate(followers):
            node.ask("CLUSTER", "REPLICATE", masters[number % 3].ask("CLUSTER", "MYID"))
        wait_until(lambda: all(len(node.ask("ROLE")[2]) == replicas for node in masters))
        wait_until(lambda: all(node.ask("CLUSTER", "NODES").count(b"slave") == len(followers) for node in nodes))
        url = f"redis+cluster://{','.join(node.place for node in masters)}"
        yield Deployment("redis+cluster", url, nodes)


class Shared:
    """The servers of one kind, shared by many tests, each of which gets an empty store."""

    def __init__(self, start: Callable[[], AbstractContextManager[Deployment]]) -> None:
        self._stack = ExitStack()
        self.deployment = self._stack.enter_context(start())

    def fresh(self) -> str:
        """Return the address of an empty store."""
        self.deployment.empty()
        return self.deployment.patient

    def stop(self) -> None:
        """Stop the servers and remove their files."""
        self._stack.close()


#: The function that starts the servers of each kind; it raises FileNotFoundError if redis-server is missing.
SERVERS: dict[str, Callable[[], Shared]] = {
    "redis": lambda: Shared(standalone),
    "redis+sentinel": lambda: Shared(sentinel),
    "redis+cluster": lambda: Shared(cluster),
}
