"""A real PgBouncer in front of a PostgreSQL server of the tests: in transaction mode, on a free loopback port."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg

from tests.records.servers import Postgres
from tests.records.servers import free_port
from tests.records.servers import unprivileged

_PROGRAM = "/usr/sbin/pgbouncer"

_SETTINGS = """
[databases]
postgres = host=127.0.0.1 port={server} dbname=postgres user=consent

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {sessions}
max_client_conn = 200
logfile = {folder}/pgbouncer.log
"""


def program() -> str | None:
    """Return the path of PgBouncer, or None if it is not on this machine."""
    return shutil.which("pgbouncer") or (_PROGRAM if os.path.exists(_PROGRAM) else None)


class PgBouncer:
    """
    A pooler; it uses the server's folder, which is removed with the server.

    Args:
        sessions: Sessions of the server that all clients share.
        mode: ``transaction`` or ``session``.
    """

    def __init__(self, server: Postgres, *, sessions: int = 2, mode: str = "transaction") -> None:
        found = program()
        if found is None:
            raise FileNotFoundError("pgbouncer is not on this machine")
        self.port = free_port()
        file = server.folder / f"pgbouncer-{self.port}.ini"
        file.write_text(
            _SETTINGS.format(server=server.port, port=self.port, mode=mode, sessions=sessions, folder=server.folder),
            encoding="ascii",
        )
        options: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = unprivileged()
            options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self.url = f"postgresql://consent@127.0.0.1:{self.port}/postgres"
        self._process = subprocess.Popen(
            [found, "-q", str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **options,
        )
        self._wait(Path(server.folder) / "pgbouncer.log")

    def _wait(self, log: Path) -> None:
        until = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    told = log.read_text() if log.exists() else ""
                    raise AssertionError(f"PgBouncer did not start: {told}") from error
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop it and close every connection."""
        self._process.kill()
        self._process.wait()
