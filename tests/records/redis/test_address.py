"""Parsing the address of a Redis store, without passwords in any message."""

from __future__ import annotations

import subprocess
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.records import open_records
from consent_mw.records.redis.address import read
from tests.records import redis_servers
from tests.records.redis_servers import Server
from tests.records.samples import a_grant

PASSWORD = "p@ss:w/rd-9f2c"
ENCODED = "p%40ss%3Aw%2Frd-9f2c"

needs_redis = pytest.mark.skipif(redis_servers.program() is None, reason="redis-server is not on this machine")


@pytest.mark.parametrize(
    ("url", "places", "database", "service", "replicas"),
    [
        ("redis://h", (("h", 6379),), 0, "", 0),
        ("redis://u:p@h:7/3", (("h", 7),), 3, "", 0),
        ("redis://[::1]:7/", (("::1", 7),), 0, "", 0),
        ("redis://[::1]", (("::1", 6379),), 0, "", 0),
        ("redis://h?replicas=1", (("h", 6379),), 0, "", 1),
        ("redis+sentinel://a,b:7/main", (("a", 26379), ("b", 7)), 0, "main", 1),
        ("redis+sentinel://:p@a/my%20main/2?replicas=0", (("a", 26379),), 2, "my main", 0),
        ("redis+cluster://a,b:7,[::1]:8", (("a", 6379), ("b", 7), ("::1", 8)), 0, "", None),
    ],
)
def test_an_address_says_where_the_store_is(
    url: str, places: object, database: int, service: str, replicas: int | None
) -> None:
    """Hosts, ports with their defaults, the database, the service and the confirmations are parsed."""
    found = read(url)
    assert (found.places, found.database, found.service, found.replicas) == (places, database, service, replicas)


def test_the_time_limit_is_the_owner_s() -> None:
    """The timeout option allows more time for a distant server."""
    assert (read("redis://h").timeout, read("redis://h?timeout=1.5").timeout) == (0.3, 1.5)


def test_user_and_password_are_decoded() -> None:
    """Percent-encoded characters in user and password are decoded."""
    found = read(f"redis+sentinel://o%40ner:{ENCODED}@h/m?sentinel_user=s&sentinel_password={ENCODED}")
    assert (found.user, found.password) == ("o@ner", PASSWORD)
    assert (found.sentinel_user, found.sentinel_password) == ("s", PASSWORD)


@pytest.mark.parametrize(
    ("url", "tls", "ca"),
    [
        ("redis://h", False, ""),
        ("rediss://h", True, ""),
        ("redis+cluster://h?tls=1&ca=/etc/ca.pem", True, "/etc/ca.pem"),
        ("redis+sentinel://h/m?tls=0", False, ""),
    ],
)
def test_an_address_says_whether_tls_is_spoken(url: str, tls: bool, ca: str) -> None:
    """The scheme ``rediss`` or an option turns TLS on."""
    assert (read(url).tls, read(url).ca) == (tls, ca)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("redis://", "cannot be read"),
        ("redis://SECRET@", "cannot be read"),
        ("redis://u:SECRET@h:port", "cannot be read"),
        ("redis://u:SECRET@h:70000", "cannot be read"),
        ("redis://u:SECRET@[::1", "cannot be read"),
        ("redis://u:SECRET@a,b", "several servers"),
        ("redis://u:SECRET@h/x", "not a database"),
        ("redis://u:SECRET@h/1/2", "not a database"),
        ("redis://u:SECRET@h?x", "cannot be read"),
        ("redis://u:SECRET@h?socket_timeout=1", "option 'socket_timeout' is not known"),
        ("redis://u:SECRET@h?replicas=many", "'replicas' is not a number"),
        ("redis://u:SECRET@h?tls=yes", "'tls' is neither"),
        ("redis://u:SECRET@h?timeout=soon", "'timeout' is not a number"),
        ("redis://u:SECRET@h?timeout=0", "'timeout' is not a number"),
        ("redis+sentinel://u:SECRET@h", "name of the master is missing"),
        ("redis+cluster://u:SECRET@h/1", "no databases but 0"),
    ],
)
def test_what_is_no_address_is_told_without_its_password(url: str, what: str) -> None:
    """The error says what is wrong and what to write, and contains no secret."""
    with pytest.raises(ConfigError, match=what) as caught:
        open_records(url)
    assert [problem.where for problem in caught.value.problems] == ["site.records"]
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


@pytest.fixture
def guarded() -> Iterator[Server]:
    """Start a server that only the user ``owner`` can use."""
    settings = {"user default": "off", "user owner": f">{PASSWORD} on ~* &* +@all"}
    with redis_servers.standalone(settings) as started:
        yield started.servers[0]


@needs_redis
def test_a_password_is_used(guarded: Server) -> None:
    """The store works with the user and password of the address."""
    with closing(open_records(f"redis://owner:{ENCODED}@{guarded.place}")) as store:
        store.append(a_grant())
        assert len(store.history(a_grant().receipt)) == 1


@needs_redis
@pytest.mark.parametrize("account", ["owner:wrong-9f2c@", ":wrong-9f2c@", ""])
def test_a_wrong_password_is_told_and_not_shown(guarded: Server, account: str) -> None:
    """The error says that the server refuses, without the password."""
    with pytest.raises(RecordsError, match="refuses the user or the password") as caught:
        open_records(f"redis://{account}{guarded.place}")
    assert "9f2c" not in "".join(traceback.format_exception(caught.value))


@needs_redis
def test_a_server_that_repeats_the_password_is_not_quoted() -> None:
    """A server without AUTH repeats its input in its error, which is not passed on."""
    with redis_servers.standalone({"rename-command": 'AUTH ""'}) as started:
        place = started.servers[0].place
        with pytest.raises(RecordsError, match=f"redis://{place} cannot be used") as caught:
            open_records(f"redis://owner:{ENCODED}@{place}")
    text = "".join(traceback.format_exception(caught.value))
    assert (PASSWORD in text, ENCODED in text) == (False, False)


@needs_redis
def test_a_server_that_repeats_a_receipt_is_not_quoted() -> None:
    """A server repeats the arguments of an unknown command, but no receipt is passed on."""
    receipt = "".join(["receipt", "of", "somebody"])  # not a literal, which would be in the traceback
    with redis_servers.standalone({"rename-command": 'ZRANGEBYLEX ""'}) as started:
        store = open_records(started.url)
        with closing(store), pytest.raises(RecordsError, match="unknown command") as caught:
            store.history(receipt)
    assert receipt not in "".join(traceback.format_exception(caught.value))


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    """Return the settings of a TLS server with its own certificate for loopback."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    names = ["-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", "req", "-x509", *made, *names], check=True, capture_output=True, timeout=60)
    return {
        "tls-port": str(redis_servers.free_port()),
        "tls-cert-file": str(cert),
        "tls-key-file": str(key),
        "tls-ca-cert-file": str(cert),
        "tls-auth-clients": "no",
    }


@needs_redis
def test_tls_is_spoken_to_who_can_be_trusted(certificate: dict[str, str]) -> None:
    """``rediss://`` works with a certificate of ``ca``, and refuses any other."""
    with redis_servers.standalone(certificate):
        url = f"rediss://127.0.0.1:{certificate['tls-port']}/0?timeout={redis_servers.PATIENT}"
        with closing(open_records(f"{url}&ca={certificate['tls-cert-file']}")) as store:
            store.append(a_grant())
            assert len(store.history(a_grant().receipt)) == 1
        with pytest.raises(RecordsError, match="certificate"):
            open_records(url)
