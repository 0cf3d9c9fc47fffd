"""An error of a store says what to do about it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from consent_mw.config import load
from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.records import open_records
from consent_mw.records.remedies import file_remedy
from consent_mw.records.remedies import server_remedy

#: What drivers said in trials with real servers, and a part of the remedy.
SAID = (
    ("failed to resolve host 'nosuch.invalid': [Errno -2] Name or service not known", "Correct the host"),
    ("Error -2 connecting to nosuch.invalid:6379. Name or service not known", "Correct the host"),
    ("Error -3 connecting to db:6379. Temporary failure in name resolution", "name resolution"),
    ('connection to server at "127.0.0.1", port 1 failed: Connection refused', "Start the server"),
    ("Error 111 connecting to ::1:1. Connection refused", "Start the server"),
    (
        'connection to server on socket "/run/nosuch/.s.PGSQL.5432" failed: No such file or directory',
        "Correct the path",
    ),
    ('root certificate file "/etc/ca.pem" does not exist', "Correct the path"),
    ("SSL error: certificate verify failed", "sslrootcert="),
    ('server certificate for "db" does not match host name "10.0.0.7"', "a name in that certificate"),
    ("Error 1 connecting to 127.0.0.1:1. [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "ca= for Redis"),
    ("server does not support SSL, but SSL was required", "does not speak TLS"),
    ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "does not speak TLS"),
    ("[SSL] record layer failure", "does not speak TLS"),
    ("Connection closed by server", "expects TLS"),
    ('FATAL:  database "nosuch" does not exist', "Create it"),
    ('FATAL:  role "nobody" does not exist', "Correct the user and password"),
    ('FATAL:  password authentication failed for user "shop"', "percent-encoded"),
    ('relation "steps" does not exist', "USAGE on the schema"),
    ("permission denied for schema consent_mw", "USAGE on the schema"),
    ("permission denied for database shop", "GRANT CREATE"),
    ("cannot execute INSERT in a read-only transaction", "accepts writes"),
    ("session is read-only", "accepts writes"),
    ("the server refuses the user or the password, or does not allow them what is needed", "ACL SETUSER"),
    ('FATAL:  too many connections for role "shop"', "PgBouncer"),
    ("could not extend file: No space left on device", "Free space"),
    ("DB index is out of range", "smaller number"),
    ("it does not answer in time", "firewall"),
    ("Timeout connecting to server", "firewall"),
)


@pytest.mark.parametrize(("said", "remedy"), SAID)
def test_what_a_server_says_has_a_remedy(said: str, remedy: str) -> None:
    """It is one sentence or two, and about the error."""
    found = server_remedy(said)
    assert remedy in found
    assert found.startswith(" ")
    assert found.endswith(".")


def test_an_unknown_error_gets_no_remedy() -> None:
    """Nothing is guessed."""
    assert server_remedy("the server is on fire") == ""
    assert file_remedy(ValueError("odd"), "consent.db", "") == ""


@pytest.mark.parametrize("content", [b"hello world\n" * 500, b"SQLite format 3\0" + b"x" * 5000])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    """The records come back from a backup; a spool is made anew, and the old one is taken."""
    file = tmp_path / "consent.db"
    file.write_bytes(content)
    with pytest.raises(RecordsError, match=r"consent\.db cannot be used: .*\. .*move .* away .* ledger restore"):
        open_records(f"sqlite:///{file}")
    with pytest.raises(RecordsError, match=r"consent\.db cannot be used: .*\. .*move .* away .* spool take"):
        open_records("redis://127.0.0.1:1/0", spool=str(file))


def test_a_full_disk_is_named_with_what_to_do(tmp_path: Path) -> None:
    """SQLite reports it by a code of its own, in any language."""
    with closing(sqlite3.connect(tmp_path / "full.db")) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("CREATE TABLE a (b)")
    assert file_remedy(caught.value, "full.db", "") == " Free space on its disk."


def test_a_call_during_the_cool_down_says_why(tmp_path: Path) -> None:
    """A command whose second question is not even sent names the reason of the first."""
    why = r"a moment ago\. The records in redis://127\.0\.0\.1:1/0 .*refused"
    spool = str(tmp_path / "spool.db")
    with closing(open_records("redis://127.0.0.1:1/0", spool=spool)) as records, pytest.raises(RecordsError, match=why):
        records.last_seal()


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("postgresql+psycopg://u:secret@h/d", '"postgresql://user:password@host/database"'),
        ("Postgres://u:secret@h/d", '"postgresql://user:password@host/database"'),
        ("valkey://h/0", '"redis://host:6379/0"'),
        ("redis+unix:///run/redis.sock", "Unix sockets are not supported"),
        ("REDIS://h/0", '"redis://host:6379/0"'),
        ("mysql://u:secret@h/d", "PostgreSQL"),
        ("mongodb://u:secret@h/d", "Redis"),
        ("SQLITE:///x.db", '"sqlite:///consent.db"'),
        ("/var/lib/consent.db", '"sqlite:///consent.db"'),
        ("consent.db", '"sqlite:///consent.db"'),
    ],
)
def test_a_wrong_scheme_says_what_was_meant(url: str, remedy: str) -> None:
    """The remedy is about the store that was meant, and shows no password."""
    with pytest.raises(ConfigError) as caught:
        load({"site": {"records": url}})
    assert remedy in str(caught.value)
    assert "secret" not in str(caught.value)
