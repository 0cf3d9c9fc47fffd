"""
Remedies for a store that cannot be used, chosen by the driver's error message.

Drivers say what went wrong, but rarely what to do about it. The patterns are searched for in the message, in order, and
the first match decides. A message that matches none, such as one in another language, gets no remedy.
"""

from __future__ import annotations

import re
import sqlite3

__all__ = ["file_remedy", "server_remedy"]

#: Parts of the messages of psycopg, libpq, redis-py, OpenSSL and the resolver, in lower case, and the remedy.
_SERVER = tuple(
    (re.compile(pattern), remedy)
    for pattern, remedy in (
        (
            r"name or service not known|failed to resolve|could not translate host|temporary failure in name resolution"
            r"|nodename nor servname|no address associated|nxdomain|does not exist, or no data",
            "Correct the host in the setting records, or this machine's name resolution.",
        ),
        (r"connection refused", "Start the server, or correct the host and port in the setting records."),
        (
            r"root certificate file .* does not exist|no such file or directory|could not (open|read) certificate",
            "Correct the path in the setting records, and let this process read the file.",
        ),
        (
            r"certificate verify failed|certificate_verify_failed|self.signed certificate|server certificate for",
            "Name the authority that signed the server's certificate (sslrootcert= for PostgreSQL, ca= for Redis), "
            "and the host by a name in that certificate.",
        ),
        (
            r"does not support ssl|record layer failure|wrong.version.number|unexpected.eof|packet length too long",
            "The server does not speak TLS on this port: turn it on there, or remove it from the setting records.",
        ),
        (
            r"connection closed by server|connection reset|server closed the connection|received invalid response",
            "Check that this is the store's port, and whether it expects TLS (sslmode=require, rediss://).",
        ),
        (r"database \".*\" does not exist", "Create it, or correct the name at the end of the setting records."),
        (
            r"role \".*\" does not exist|password authentication failed|no password supplied|no pg_hba.conf entry",
            "Correct the user and password in the setting records, with characters such as @ or / percent-encoded, or "
            "let pg_hba.conf admit them.",
        ),
        (
            # Without USAGE, PostgreSQL skips the schema and does not find its tables.
            r"permission denied|must be owner|relation \".*\" does not exist",
            "Grant the user USAGE on the schema consent_mw and all rights on its tables, or let it create them: "
            "GRANT CREATE ON DATABASE.",
        ),
        (
            r"read-only transaction|session is read-only|recovery is in progress",
            "Use a server that accepts writes (the primary), and a user without default_transaction_read_only.",
        ),
        (
            r"too many (clients|connections)|remaining connection slots",
            "Each process needs up to four connections: raise max_connections or the limit of the user, or put "
            "PgBouncer in between.",
        ),
        (
            r"refuses the user or the password",
            "Correct them in the setting records, percent-encoded, or allow the user what it needs: "
            "ACL SETUSER … ~{cmw:* +@all.",
        ),
        (r"no space left|could not extend file|disk full", "Free space on the disk of the server."),
        (r"db index is out of range|invalid db index", "Write a smaller number at the end of the setting records."),
        (r"oom command not allowed", "Raise maxmemory of the server, or give it more memory."),
        (r"misconf", "Its disk is full or not writable: see the server's log."),
        (
            r"cluster support disabled|cluster mode is not enabled|unknown command .?sentinel",
            'Write "redis://" for a single server.',
        ),
        (
            r"does not answer|timed? ?out|no route to host|network is unreachable",
            "Check that the server is running, and that no firewall is in between.",
        ),
    )
)


def server_remedy(message: str) -> str:
    """Return the remedy for a server's error message, as a sentence after a space; empty if none is known."""
    text = message.lower()
    return next((f" {remedy}" for pattern, remedy in _SERVER if pattern.search(text)), "")


def file_remedy(error: Exception, path: str, renewed: str) -> str:
    """
    Return the remedy for an error of an SQLite file, as a sentence after a space; empty if none is known.

    Args:
        path: The path of the file.
        renewed: What to do once a damaged file is out of the way.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    write = f" Let this process write to {path}, to the files beside it that end in -wal and -shm, and to their folder."
    damaged = (
        f" It is damaged, or not a database: stop the site, move {path} away together with the files beside it that "
        f"end in -wal and -shm, and keep them. {renewed}"
    )
    return {
        sqlite3.SQLITE_FULL: " Free space on its disk.",
        sqlite3.SQLITE_IOERR: " Check whether its disk is full, failing or gone.",
        sqlite3.SQLITE_READONLY: write,
        sqlite3.SQLITE_CANTOPEN: write,
        sqlite3.SQLITE_PERM: write,
        sqlite3.SQLITE_CORRUPT: damaged,
        sqlite3.SQLITE_NOTADB: damaged,
    }.get(code, "")
