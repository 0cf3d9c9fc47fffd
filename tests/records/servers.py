"""A real PostgreSQL server for the tests: private, on a free loopback port, with the usual durability."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

#: The user for the server if the tests run as root, as which the server refuses to run.
UNPRIVILEGED = ("postgres", "nobody")

#: Debian has a folder for each version; "14" sorts after "9".
_BINARIES = "/usr/lib/postgresql/*/bin"


def binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL server on this machine, or None."""
    found = [path for path in Path("/").glob(_BINARIES.lstrip("/")) if (path / "initdb").exists()]
    if found:
        return max(found, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0))
    program = shutil.which("initdb")
    return Path(program).resolve().parent if program else None


def free_port() -> int:
    """Return a free loopback port."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """
    One server in its own folder under /tmp; ``stop`` removes everything.

    Args:
        follows: The primary server if this is a replica; None for a new server.
        settings: Additional settings, as in ``postgresql.conf``.
    """

    def __init__(self, follows: Postgres | None = None, **settings: str) -> None:
        programs = binaries()
        if programs is None:
            raise FileNotFoundError("PostgreSQL's initdb is not on this machine")
        self._programs = programs
        self._settings = settings
        # Not pytest's folder: the server's user has no access to it.
        self.folder = Path(tempfile.mkdtemp(prefix="cmw-pg-", dir="/tmp"))
        self._user = unprivileged() if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if follows is None:
            self._run("initdb", "-D", "data", "-A", "trust", "-U", "consent", "-E", "UTF8", "--locale=C", "--no-sync")
        else:
            source = ("-h", "127.0.0.1", "-p", str(follows.port), "-U", "consent")
            self._run("pg_basebackup", *source, "-D", "data", "-R", "-c", "fast", "--no-sync")
        self.start()

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://consent@127.0.0.1:{self.port}/{database}"

    def fresh(self) -> str:
        """Return the address of an empty database: always the same one, which is much faster than creating another."""
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> %s"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(query, (connection.info.backend_pid,))
            connection.execute("DROP SCHEMA IF EXISTS consent_mw, public CASCADE")
            connection.execute("CREATE SCHEMA public")
            connection.execute("ALTER DATABASE postgres RESET ALL")
        return self.url()

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "16MB",
            "max_wal_size": "64MB",
            **self._settings,
        }
        command = [str(self._programs / "postgres"), "-D", "data"]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **self._as_user())
        until = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()}") from error
                time.sleep(0.05)
            else:
                return

    def set(self, name: str, value: str, *, running: bool = True) -> None:
        """Change a setting of postgresql.conf; a running server applies it before this returns."""
        with (self.folder / "data" / "postgresql.auto.conf").open("a", encoding="ascii") as file:
            file.write(f"{name} = {value}\n")
        if not running:
            return
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute("SELECT pg_reload_conf()")
        wanted = value.strip("'")
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with psycopg.connect(self.url(), autocommit=True) as connection:
                if connection.execute("SELECT current_setting(%s)", (name,)).fetchone() == (wanted,):
                    return
            time.sleep(0.02)
        raise AssertionError(f"{name} did not become {value}")

    def replica(self) -> Postgres:
        """Start and return a replica; it is asynchronous until this server is configured to wait for it."""
        return Postgres(follows=self)

    def promote(self) -> None:
        """Promote this replica."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")

    def kill(self) -> None:
        """Kill every process of the server at once, like a power failure."""
        assert self._process is not None
        children = self._children()
        self._signal(signal.SIGKILL)
        self._process.wait()
        # The server cannot be started again until every dying process has released the shared memory.
        until = time.monotonic() + 30
        while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < until:
            time.sleep(0.02)

    def freeze(self) -> None:
        """Suspend every process of the server."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the server."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop the server and remove its files."""
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self._process.send_signal(signal.SIGQUIT)  # "immediate shutdown": nothing has to be written any more
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        for pid in [self._process.pid, *self._children()]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue  # the session has just ended

    def _children(self) -> list[int]:
        """Return the processes that the server has started; each has its own session."""
        assert self._process is not None
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == self._process.pid:
                found.append(int(status.parent.name))
        return found

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            **self._as_user(),
        )
        if done.returncode:
            raise AssertionError(f"{program} failed: {done.stderr}")

    def _as_user(self) -> dict[str, Any]:
        """Return the arguments of Popen to run a program as the unprivileged user, in a new session."""
        plain = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        options: dict[str, Any] = {"start_new_session": True, "env": {**plain, "LC_ALL": "C"}}
        if self._user is not None:
            options |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return options


def unprivileged() -> pwd.struct_passwd:
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError(f"PostgreSQL does not run as root, and there is none of the users {', '.join(UNPRIVILEGED)}")
