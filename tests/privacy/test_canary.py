"""Promise 7: no address, user-agent, referrer or path is stored, in any file or form, whatever a visitor does."""

from __future__ import annotations

import base64
import shutil
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from werkzeug.security import generate_password_hash

from tests.counting.lookups import database as provider_database
from tests.faults import stores
from tests.faults.harness import PATIENT
from tests.faults.harness import serving
from tests.faults.harness import site
from tests.faults.stores import Store
from tests.privacy import canary
from tests.privacy.canary import traces
from tests.privacy.visit import everything
from tests.privacy.visit import while_down

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the site, in which it writes everything."""
    (tmp_path / "site" / "tmp").mkdir(parents=True)
    return tmp_path / "site"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    """Return settings with which the site uses everything that it may use."""
    file = provider_database(tmp_path / "isp.mmdb", {canary.NETWORK: {"domain": "provider.net"}})
    return {"trusted_proxies": 1, "isp": f"mmdb:{file}"}


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment in which everything is logged, with a separate folder for temporary files."""
    return {"SITE_LOG": str(folder / "debug.log"), "TMPDIR": str(folder / "tmp"), "HOME": str(folder), **more}


def config(url: str, spool: Path | None, settings: dict[str, object]) -> dict[str, object]:
    """Return the configuration of the site, with the owner's pages protected by a password."""
    password = generate_password_hash("a long and secret password", method="pbkdf2:sha256:1000")
    return {**site(url, spool, **settings), "stats": {"password": password, "token": "0" * 64}}


def test_nothing_of_a_visitor_is_left_beside_records_in_a_file(folder: Path, settings: dict[str, object]) -> None:
    """The database, logs, key file and standard error have no traces, with the store up or down."""
    database = folder / "consent.db"
    own = config(f"sqlite:///{database}", None, settings)
    with serving(folder, own, workers=2, environment=environment(folder)) as server:
        receipts = everything(server.port)
    assert_counted(database)
    assert any(receipt.encode() in database.read_bytes() for receipt in receipts)
    shutil.copytree(folder, folder.parent / "before")
    # One worker: a second one could still be starting, and would refuse to start without its records.
    with serving(folder, own, workers=1, environment=environment(folder)) as server:
        for path in folder.glob("consent.db*"):
            path.unlink()
        database.mkdir()
        while_down(server.port, spooled=False)
    assert b"RuntimeError: the shop is broken" in (folder / "debug.log").read_bytes()
    assert traces([folder, folder.parent / "before"]) == []


def assert_counted(database: Path) -> None:
    """Check that the visitor was counted, one dimension at a time."""
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT DISTINCT dimension, value FROM counts").fetchall()
    assert {("browser", "firefox"), ("os", "linux"), ("isp", "provider.net")} <= set(found)


@pytest.fixture(params=stores.KINDS)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Return a separate store server, since all its files are searched."""
    try:
        server = stores.KINDS[request.param]()
    except FileNotFoundError as error:
        pytest.skip(f"no {request.param} server: {error}")
    yield server
    server.stop()


def test_nothing_of_a_visitor_is_left_beside_a_spool(
    folder: Path, settings: dict[str, object], store: Store, tmp_path: Path
) -> None:
    """The server's folder with its log, the spool, and the site's files have no traces, even if the server was down."""
    spool = folder / "spool.db"
    own = config(store.fresh(), spool, settings)
    with serving(folder, own, workers=2, environment=environment(folder)) as server:
        receipts = everything(server.port)
        store.kill()
        receipts += while_down(server.port, spooled=True)
        shutil.copytree(folder, folder.parent / "while-down")
        store.start()
        until = time.monotonic() + PATIENT
        while waiting(spool):
            assert time.monotonic() < until
            time.sleep(0.1)
    shutil.copytree(store.files(), tmp_path / "store", ignore=lambda path, names: [n for n in names if ".s." in n])
    written = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert any(receipt.encode() in written for receipt in receipts)
    assert b"provider.net" in written
    assert traces([folder, folder.parent / "while-down", tmp_path / "store"]) == []


def waiting(spool: Path) -> int:
    """Return the number of entries and erasures in the spool."""
    with closing(sqlite3.connect(spool)) as connection:
        return int(connection.execute("SELECT count(*) FROM ledger WHERE act <> 'erase'").fetchone()[0])


# -- the search can fail


def test_an_application_that_logs_its_visitors_is_found(folder: Path, settings: dict[str, object]) -> None:
    """With one careless line in the site, the search finds the address, user-agent and all other values."""
    own = config(f"sqlite:///{folder / 'consent.db'}", None, settings)
    with serving(folder, own, workers=1, environment=environment(folder, SITE_LEAK="1")) as server:
        everything(server.port)
    found = {trace.partition(",")[0] for trace in traces([folder])}
    assert found >= {"address", "peer", "agent", "referrer", "path", "query", "cookie", "header"}


@pytest.mark.parametrize("name", ["address", "peer", *canary.WORDS])
def test_each_form_is_found(tmp_path: Path, name: str) -> None:
    """A trace in hex, in base64 within a longer text, as a hash, or compressed in a database is found."""
    text = {"address": canary.ADDRESS, "peer": canary.PEER, **canary.WORDS}[name]
    for shift in range(3):
        (tmp_path / f"base64-{shift}").write_bytes(base64.b64encode(b"x" * shift + text.encode() + b"and more"))
    (tmp_path / "hex").write_text(text.encode().hex(), encoding="ascii")
    (tmp_path / "plain").write_text(f"before {text} after", encoding="ascii")
    with closing(sqlite3.connect(tmp_path / "packed")) as connection:
        connection.execute("CREATE TABLE t (c BLOB)")
        connection.execute("INSERT INTO t VALUES (?)", (zlib.compress(text.encode() * 9),))
        connection.commit()
    found = {trace.rpartition(" in ")[2].partition(",")[0] for trace in traces([tmp_path]) if trace.startswith(name)}
    assert found == {"base64-0", "base64-1", "base64-2", "hex", "plain", "packed"}
