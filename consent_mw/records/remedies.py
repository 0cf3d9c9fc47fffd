"""
What an operator can do about a store that cannot be used, by what its driver says.

Drivers name what went wrong, and rarely what to do. The texts here are looked for in their messages, in order. A
message that contains none of them stays as it is, as does one in another language than English.
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
            "Correct the host in the setting records, or the name service of this machine.",
        ),
        (r"connection refused", "Start the server, or correct host and port in the setting records."),
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
            "The server does not speak TLS at this port: switch it on there, or leave it out of the setting records.",
        ),
        (
            r"connection closed by server|connection reset|server closed the connection|received invalid response",
            "Look whether this port is that of the store, and whether it expects TLS (sslmode=require, rediss://).",
        ),
        (r"database \".*\" does not exist", "Create it, or correct the name at the end of the setting records."),
        (
            r"role \".*\" does not exist|password authentication failed|no password supplied|no pg_hba.conf entry",
            "Correct user and password in the setting records, with signs such as @ or / percent-encoded, or let "
            "pg_hba.conf admit them.",
        ),
        (
            # Without USAGE a schema is passed over, and its tables are not found.
            r"permission denied|must be owner|relation \".*\" does not exist",
            "Grant the user USAGE of the schema consent_mw and all rights to its tables, or let it make them: "
            "GRANT CREATE ON DATABASE.",
        ),
        (
            r"read-only transaction|session is read-only|recovery is in progress",
            "Name a server that takes writes: the primary, and a user without default_transaction_read_only.",
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
        (r"misconf", "Its disk is full or cannot be written: see the log of the server."),
        (
            r"cluster support disabled|cluster mode is not enabled|unknown command .?sentinel",
            'Write "redis://" for a single server.',
        ),
        (
            r"does not answer|timed? ?out|no route to host|network is unreachable",
            "Look whether the server runs, and whether a firewall is in between.",
        ),
    )
)


def server_remedy(message: str) -> str:
    """Return what to do about an error of a server, as a sentence after a space; empty if nothing is known."""
    text = message.lower()
    return next((f" {remedy}" for pattern, remedy in _SERVER if pattern.search(text)), "")


def file_remedy(error: Exception, path: str, renewed: str) -> str:
    """
    Return what to do about an error of an SQLite file, as a sentence after a space; empty if nothing is known.

    Args:
        path: The path of the file.
        renewed: What to do once a damaged file is out of the way.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    write = f" Let this process write to {path}, to the files beside it that end in -wal and -shm, and to their folder."
    damaged = (
        f" It is damaged, or no database: stop the site, move {path} away together with the files beside it that end "
        f"in -wal and -shm, and keep them. {renewed}"
    )
    return {
        sqlite3.SQLITE_FULL: " Free space on its disk.",
        sqlite3.SQLITE_IOERR: " Look whether its disk is full, failing, or gone.",
        sqlite3.SQLITE_READONLY: write,
        sqlite3.SQLITE_CANTOPEN: write,
        sqlite3.SQLITE_PERM: write,
        sqlite3.SQLITE_CORRUPT: damaged,
        sqlite3.SQLITE_NOTADB: damaged,
    }.get(code, "")
