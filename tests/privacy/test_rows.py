"""Promise 7: no row of a store leads from a receipt to a time or a browser, or from one dimension to another."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.counting.lookups import database as provider_database
from tests.faults import load
from tests.faults import stores
from tests.faults.harness import Server
from tests.faults.harness import serving
from tests.faults.harness import site
from tests.privacy.dump import Row
from tests.privacy.dump import dimensions
from tests.privacy.dump import findings
from tests.privacy.dump import rows

#: Typical visitors: an address of each of two providers, and user-agents.
PROVIDERS = {"185.231.77.0/24": "provider.net", "185.231.78.0/24": "other-provider.org"}
ADDRESSES = ("185.231.77.5", "185.231.78.9")
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Mobile/15E148 Safari/604.1",
)


@pytest.fixture(params=["sqlite", *stores.KINDS])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the address of an empty store of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/consent.db"
        return
    try:
        server = stores.KINDS[request.param]()
    except FileNotFoundError as error:
        pytest.skip(f"no {request.param} server: {error}")
    yield server.fresh()
    server.stop()


def visits(server: Server) -> set[str]:
    """Let visitors of each kind visit, answer and change their minds; return their receipts."""
    receipts = set()
    for address in ADDRESSES:
        for agent in AGENTS:
            known = {"User-Agent": agent, "X-Forwarded-For": address}
            fresh = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
            assert load.status_of(load.request(server.port, "GET", "/", {**known, **fresh})) == 200
            cookie = ""
            for action in ("accept-all", "save&purpose=analytics", "withdraw", "reject-all", "accept-all"):
                headers = {**known, "Origin": f"http://localhost:{server.port}", "Sec-Fetch-Site": "same-origin"}
                if cookie:
                    headers["Cookie"] = cookie
                answer = load.request(server.port, "POST", "/_cmw/choice", headers, f"action={action}&back=/")
                assert load.status_of(answer) == 303
                (line,) = (line for line in answer.split(b"\r\n") if line.startswith(b"Set-Cookie: cmw="))
                cookie = line.removeprefix(b"Set-Cookie: ").partition(b";")[0].decode()
                receipts.add(load.receipt_of(answer))
    return receipts - {""}


@pytest.mark.slow
def test_no_row_tells_two_things_about_a_visitor(tmp_path: Path, url: str) -> None:
    """The rows are read as the owner can, after a real run whose data is completely written."""
    file = provider_database(tmp_path / "isp.mmdb", {net: {"domain": name} for net, name in PROVIDERS.items()})
    settings = {"trusted_proxies": 1, "isp": f"mmdb:{file}"}
    spool = None if url.startswith("sqlite") else tmp_path / "spool.db"
    with serving(tmp_path, site(url, spool, **settings), workers=2) as server:
        receipts = visits(server)
    found = list(rows(url))
    if spool is not None:
        found += rows(f"sqlite:///{spool}")
    providers = set(PROVIDERS.values())
    assert len(receipts) == 18
    # The rows contain the expected data, or there would be nothing to find.
    assert set().union(*(dimensions(cells, providers) for _, cells in found)) == {"browser", "os", "isp"}
    assert receipts <= {cell for _, cells in found for cell in cells if isinstance(cell, str)}
    assert findings(found, receipts, providers) == []


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("t", ["firefox", "linux", 3]), ["t: a row with browser and os"]),
        (("t", [20_779, "isp", "provider.net", "chrome"]), ["t: a row with browser and isp"]),
        (("t", ["receipt", 20_779, "firefox"]), ["t: a row with a receipt and browser"]),
        (("t", ["receipt", 20_779 * 24]), ["t: a row with a receipt and a number finer than a day"]),
        (("t", ["receipt", 20_779.5]), ["t: a row with a receipt and a number finer than a day"]),
        (("t", ["receipt", "2026-11-22 17:48"]), ["t: a row with a receipt and a time of day"]),
        (
            ("t", ["receipt", datetime.datetime(2026, 11, 22)]),  # noqa: DTZ001
            ["t: a row with a receipt and something that is neither text nor number"],
        ),
        (("t", ["receipt", 20_779, "accept", 0.0, None]), []),
        (("t", [20_779, "os", "linux", 12.0]), []),
    ],
)
def test_such_a_row_would_be_found(row: Row, expected: list[str]) -> None:
    """Each rule finds a row that breaks it, and no other."""
    assert findings([row], {"receipt"}, {"provider.net"}) == expected
