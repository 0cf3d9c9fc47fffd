"""The demo: the farm counts requests to the vendors it plays, the shop has real tags, and one command starts both."""

from __future__ import annotations

import re
import select
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request
from urllib.request import urlopen

import pytest
from flask.testing import FlaskClient
from werkzeug.test import Client

from demo_site import farm as farm_module
from demo_site.farm import Farm
from demo_site.products import PRODUCTS
from demo_site.servers import Server
from demo_site.servers import serve_near
from demo_site.shop import CONFIG
from demo_site.shop import create_app
from demo_site.vendors import VENDORS
from demo_site.vendors import address
from demo_site.vendors import played_host
from demo_site.vendors import vendor_of

ROOT = Path(__file__).resolve().parents[2]
FARM_PORT = 8001
PIXEL = "/tr/?id=1&ev=PageView&dl=http%3A%2F%2Flocalhost%3A8000%2Fsoftware%2Ftrue-tone&fbp=fb.0.1.2"


@pytest.fixture
def farm() -> Farm:
    """Return a farm without hits."""
    return Farm()


@pytest.fixture
def shop() -> Iterator[FlaskClient]:
    """Return a client of the shop without consent_mw."""
    app = create_app(FARM_PORT)
    app.testing = True
    with app.test_client() as client:
        yield client


def hit(farm: Farm, host: str, path: str, method: str = "GET") -> bytes:
    """Send one request to the vendor ``host`` that ``farm`` plays; return the body."""
    return bytes(Client(farm).open(path, method=method, base_url=address(host, FARM_PORT)).data)


def board(farm: Farm) -> str:
    """Return the farm's own page."""
    return Client(farm).get("/", base_url=address("farm", FARM_PORT)).text


# The farm.


@pytest.mark.parametrize(
    ("host", "path", "vendor"),
    [
        ("www.googletagmanager.com", "/gtag/js?id=G-1", "google-analytics"),
        ("www.googletagmanager.com", "/gtag/js?id=AW-1", "google-ads"),
        ("www.googletagmanager.com", "/gtm.js?id=GTM-1", "google-tag-manager"),
        ("www.facebook.com", "/tr?id=1", "meta-pixel"),
        ("www.youtube.com", "/embed/abc", "youtube"),
        ("js.stripe.com", "/v3/", "stripe"),
        ("never.heard.example", "/", "unknown"),
    ],
)
def test_a_hit_counts_for_the_vendor_it_reached(farm: Farm, host: str, path: str, vendor: str) -> None:
    """One loader serves three products of Google: the id in its query determines which one is counted."""
    hit(farm, host, path)
    assert farm.counts == {vendor: 1}


def test_any_method_is_a_hit(farm: Farm) -> None:
    """A beacon arrives as POST and counts like an image."""
    hit(farm, "www.google-analytics.com", "/g/collect", "POST")
    assert [(one.method, one.vendor) for one in farm.hits] == [("POST", "google-analytics")]


def test_the_farms_own_page_is_no_hit(farm: Farm) -> None:
    """Opening the farm's page changes no counter, under its name or a plain address."""
    board(farm)
    Client(farm).get("/", base_url="http://127.0.0.1:8001")
    assert farm.counts == {}


def test_a_hit_tells_what_the_vendor_learned(farm: Farm) -> None:
    """The page, the visitor's number and the event are extracted from the request."""
    hit(farm, "www.facebook.com", PIXEL)
    assert farm.hits[0].told == (
        ("page", "/software/true-tone"),
        ("visitor", "fb.0.1.2"),
        ("event", "PageView"),
    )


def test_the_board_shows_each_count(farm: Farm) -> None:
    """The page shows the number of hits of every vendor, or zero."""
    for _ in range(3):
        hit(farm, "www.facebook.com", PIXEL)
    shown = dict(re.findall(r'data-vendor="([a-z-]+)" data-count="(\d+)"', board(farm)))
    assert shown == {"all": "3", **{vendor.id: "0" for vendor in VENDORS}, "meta-pixel": "3"}


def test_the_necessary_vendor_is_left_out_of_the_sum(farm: Farm) -> None:
    """A payment form needs no consent, so it is not in the sum."""
    hit(farm, "js.stripe.com", "/v3/")
    assert 'data-vendor="all" data-count="0"' in board(farm)


def test_the_board_escapes_what_it_was_sent(farm: Farm) -> None:
    """A request cannot write markup into the farm's page."""
    hit(farm, "www.facebook.com", "/tr?ev=<script>alert(1)</script>")
    assert "<script>alert" not in board(farm)


def test_a_vendor_script_takes_nothing_but_an_id(farm: Farm) -> None:
    """The id of a loader's address is only put into the script if it is well-formed."""
    script = hit(farm, "www.googletagmanager.com", '/gtag/js?id=G-1";alert(1);"')
    assert (b"alert" in script, b'var tag = "";' in script) == (False, True)


def test_a_vendor_script_leads_to_stand_ins_only(farm: Farm) -> None:
    """No script of the farm contains an address outside this machine."""
    bodies = b"".join(
        hit(farm, host, path)
        for host, path in (
            ("www.googletagmanager.com", "/gtag/js?id=G-1"),
            ("www.googletagmanager.com", "/gtm.js?id=GTM-1"),
            ("www.googletagmanager.com", "/ns.html?id=GTM-1"),
            ("connect.facebook.net", "/en_US/fbevents.js"),
            ("js.stripe.com", "/v3/"),
            ("js.stripe.com", "/v3/elements-inner-card.html"),
            ("www.youtube.com", "/embed/abc"),
        )
    )
    origins = set(re.findall(rb"(?:https?:)?//([\w.:-]+)", bodies))
    assert [origin for origin in origins if not origin.endswith(b".localhost:8001")] == []


def test_reset_forgets_every_hit(farm: Farm) -> None:
    """The button removes every hit."""
    hit(farm, "www.facebook.com", PIXEL)
    answer = Client(farm).post("/reset", base_url=address("farm", FARM_PORT))
    assert (answer.status_code, farm.counts, farm.hits) == (303, {}, ())


def test_the_farm_keeps_a_bounded_number_of_hits(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counters keep growing, but only the latest hits are kept."""
    monkeypatch.setattr(farm_module, "HITS_KEPT", 3)
    small = Farm()
    for number in range(5):
        hit(small, "www.facebook.com", f"/tr?id={number}")
    assert ([one.path[-1] for one in small.hits], small.counts) == (["2", "3", "4"], {"meta-pixel": 5})


def test_a_hit_reaches_an_open_page_at_once(farm: Farm) -> None:
    """The live connection sends the current board, and again when a hit changes it."""
    with Server(farm) as server, urlopen(f"http://127.0.0.1:{server.port}/live", timeout=20) as live:
        read = ""
        while 'data-vendor="meta-pixel" data-count="0"' not in read:
            read = live.readline().decode()
        request = Request(f"http://127.0.0.1:{server.port}/tr?id=1")
        request.add_header("Host", f"www.facebook.com.localhost:{server.port}")
        with urlopen(request, timeout=20):
            pass
        while 'data-vendor="meta-pixel"' not in read or 'data-count="0"' in read:
            read = live.readline().decode()
        farm.close()
    assert 'data-vendor="meta-pixel" data-count="1"' in read


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("www.facebook.com.localhost:8001", "www.facebook.com"),
        ("WWW.Facebook.com.LOCALHOST", "www.facebook.com"),
        ("farm.localhost:8001", ""),
        ("localhost:8001", ""),
        ("127.0.0.1:8001", ""),
    ],
)
def test_a_host_header_names_the_vendor_that_is_played(header: str, host: str) -> None:
    """Every host under .localhost is a vendor, except the farm itself."""
    assert played_host(header) == host


# The shop.


@pytest.mark.parametrize("path", ["/", "/basket", "/journal/one-lamp-five-faces", "/privacy", *PRODUCTS])
def test_every_page_answers(shop: FlaskClient, path: str) -> None:
    """Each page of the shop answers with 200."""
    answer = shop.get(path if path.startswith("/") else f"/software/{path}")
    assert answer.status_code == 200


def test_an_unknown_page_says_so(shop: FlaskClient) -> None:
    """An unknown address gets 404 in the shop's design."""
    answer = shop.get("/software/nothing")
    assert (answer.status_code, "This frame is blank" in answer.text) == (404, True)


def test_an_order_goes_from_the_basket_to_thanks(shop: FlaskClient) -> None:
    """Basket, check-out and thanks work in sequence without scripts."""
    shop.post("/basket", data={"slug": "true-tone"})
    shop.post("/basket", data={"slug": "second-lamp", "quantity": "2"})
    total = PRODUCTS["true-tone"].price + 2 * PRODUCTS["second-lamp"].price
    bill = shop.get("/checkout").text
    thanks = shop.post("/checkout", data={"name": "A", "email": "a@example.org"}, follow_redirects=True).text
    assert (f"Pay £{total}" in bill, f"£{total}. Your licence" in thanks, shop.get("/checkout").status_code) == (
        True,
        True,
        303,
    )


def test_a_basket_ignores_what_the_shop_does_not_sell(shop: FlaskClient) -> None:
    """An unknown product is refused, and a quantity stays between zero and nine."""
    refused = shop.post("/basket", data={"slug": "camera"}).status_code
    shop.post("/basket", data={"slug": "true-tone", "quantity": "400"})
    assert (refused, f"£{9 * PRODUCTS['true-tone'].price}" in shop.get("/basket").text) == (404, True)


def test_the_shop_carries_the_tags_of_every_vendor(shop: FlaskClient) -> None:
    """Together, the pages contain every vendor that the farm shows."""
    shop.post("/basket", data={"slug": "true-tone"})
    text = "".join(shop.get(path).text for path in ("/", "/checkout", "/journal/one-lamp-five-faces"))
    text += shop.post("/checkout", follow_redirects=True).text
    urls = re.findall(r"//([\w.-]+)\.localhost:8001(/[^\s\"'<]*)", text)
    found = {vendor.id for host, path in urls if host != "farm" and (vendor := vendor_of(host, path))}
    assert found == {vendor.id for vendor in VENDORS}


def test_the_shop_names_no_address_outside_this_machine(shop: FlaskClient) -> None:
    """Even without consent_mw, a browser in the shop only connects to the farm."""
    shop.post("/basket", data={"slug": "true-tone"})
    text = "".join(shop.get(path).text for path in ("/", "/checkout", "/journal/one-lamp-five-faces", "/privacy"))
    hosts = set(re.findall(r"""(?<=["'])(?:https?:)?//([\w.:-]+)""", text)) - {"www.w3.org"}
    assert [host for host in hosts if not host.endswith(".localhost:8001")] == []


def test_the_settings_cover_every_vendor_of_the_farm() -> None:
    """Each host that the farm plays for a declared vendor belongs to that vendor in consent.toml."""
    from consent_mw import config
    from consent_mw.html.match import Matcher

    site = config.load(tomllib.loads(CONFIG.read_text("utf-8")))
    matcher = Matcher(site.services)
    covered = {}
    for vendor in VENDORS:
        for rule in vendor.hosts if vendor.id != "unknown" else ():
            host, slash, path = rule.partition("/")
            covered[rule] = (vendor.id, matcher.url(address(host, FARM_PORT) + (slash + path or "/tr?id=1")))
    assert [rule for rule, (id_, ids) in covered.items() if ids != (id_,)] == []


# The servers and the command.


def test_a_taken_port_gives_the_next_one() -> None:
    """The demo starts even if its preferred port is taken."""
    with Server(Farm()) as first, serve_near(Farm(), first.port) as second:
        assert second.port > first.port


def test_a_closed_server_gives_its_port_back() -> None:
    """Once a server is closed, its port is free."""
    with Server(Farm()) as server:
        port = server.port
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))
        assert free.getsockname()[1] == port


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop the program at the end, so that a failing test does not wait for it."""
    try:
        yield
    finally:
        process.kill()


@pytest.mark.parametrize("options", [[], ["--bare"]], ids=["held", "bare"])
def test_the_command_prints_the_addresses_and_stops_on_ctrl_c(options: list[str], tmp_path: Path) -> None:
    """``python -m demo_site`` serves both, prints their addresses, and leaves no process when interrupted."""
    command = [sys.executable, "-m", "demo_site", "--shop", "0", "--farm", "0", *options]
    with (
        subprocess.Popen(
            command, bufsize=0, cwd=ROOT, env={"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as demo,
        ended(demo),
    ):
        assert demo.stdout is not None
        assert demo.stderr is not None
        printed = ""
        deadline = time.monotonic() + 60
        while "Ctrl-C" not in printed and select.select([demo.stdout], [], [], deadline - time.monotonic())[0]:
            line = demo.stdout.readline().decode()
            if not line:
                break
            printed += line
        found = re.findall(r"http://(?:localhost|127\.0\.0\.1):(\d+)(/\S*)", printed)
        pages = []
        for port, path in found:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
                pages.append(answer.status)
        demo.send_signal(signal.SIGINT)
        rest, errors = demo.communicate(timeout=30)
    expected = [200] * (2 if options else 3)
    assert (pages, demo.returncode, errors, list(tmp_path.iterdir())) == (expected, 0, b"", [])
    assert "Both have stopped." in rest.decode()
