"""
Providers: whose address a request came from, and what a name server or a database says of it.

The name server is real: it answers on loopback what a test told it to.
"""

from __future__ import annotations

import gc
import importlib.util
import ipaddress
import logging
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.reversename
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.counts import UNKNOWN
from consent_mw.counting import ptr
from consent_mw.counting.isp import client_address
from consent_mw.counting.isp import open_lookup
from consent_mw.counting.mmdb import MmdbLookup
from consent_mw.counting.ptr import PtrLookup
from consent_mw.errors import ConfigError
from consent_mw.http.request import RequestHead
from tests.counting.lookups import V4
from tests.counting.lookups import V6
from tests.counting.lookups import database
from tests.counting.lookups import found
from tests.counting.name_server import NameServer


def head(*forwarded: str) -> RequestHead:
    """Return a request with these X-Forwarded-For headers."""
    return RequestHead("GET", "https", "h", "/", "", tuple(("x-forwarded-for", value) for value in forwarded))


# -- the address of a request


@pytest.mark.parametrize(
    ("forwarded", "proxies", "expected"),
    [
        ((), 0, "9.9.9.9"),
        (("1.1.1.1",), 0, "9.9.9.9"),
        (("1.1.1.1",), 1, "1.1.1.1"),
        (("6.6.6.6, 1.1.1.1",), 1, "1.1.1.1"),
        (("6.6.6.6, 1.1.1.1, 8.8.8.8",), 2, "1.1.1.1"),
        (("6.6.6.6", "1.1.1.1", "8.8.8.8"), 2, "1.1.1.1"),
        (("6.6.6.6", "1.1.1.1,8.8.8.8"), 3, "6.6.6.6"),
        # It did not come through all of the proxies: whatever the header says, nobody who is trusted said it.
        ((), 1, ""),
        (("1.1.1.1",), 2, ""),
        (("1.1.1.1,",), 1, ""),
        (("6.6.6.6, unknown",), 1, ""),
        (("9.9.9.9," * 10_000 + "1.1.1.1",), 1, "1.1.1.1"),
    ],
)
def test_the_address_is_the_one_that_the_outermost_trusted_proxy_saw(
    forwarded: tuple[str, ...], proxies: int, expected: str
) -> None:
    """X-Forwarded-For is counted from the right, by the stated number of proxies, and never further."""
    assert expected == client_address("9.9.9.9", head(*forwarded), proxies)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.1.1.1", "1.1.1.1"),
        (" 1.1.1.1\t", "1.1.1.1"),
        ("1.1.1.1:443", "1.1.1.1"),
        ("2601:1C0:0::7", V6),
        ("[2601:1c0::7]", V6),
        ("[2601:1c0::7]:443", V6),
        ('"[2601:1c0::7]:443"', V6),
        ("2601:1c0::7%eth0", V6),
        ("[2601:1c0::7%25eth0]", V6),
        ("::ffff:1.1.1.1", "1.1.1.1"),
        ("[::ffff:1.1.1.1]:80", "1.1.1.1"),
        # Nobody's provider.
        ("127.0.0.1", ""),
        ("::1", ""),
        ("10.1.2.3", ""),
        ("192.168.1.1", ""),
        ("100.64.0.1", ""),
        ("169.254.1.1", ""),
        ("fe80::1%eth0", ""),
        ("fd00::1", ""),
        ("224.0.0.1", ""),
        ("ff02::1", ""),
        ("240.0.0.1", ""),
        ("255.255.255.255", ""),
        ("0.0.0.0", ""),  # noqa: S104 - an address that nobody has
        ("192.0.2.1", ""),
        ("2001:db8::1", ""),
        ("::ffff:10.0.0.1", ""),
        # No address.
        ("", ""),
        ("unknown", ""),
        ("_hidden", ""),
        ("1.1.1", ""),
        ("1.1.1.256", ""),
        ("01.1.1.1", ""),
        ("１.1.1.1", ""),
        ("1.1.1.1:443:443", ""),
        ("[1.1.1.1", ""),
        ("unix:", ""),
        ("/run/gunicorn.sock", ""),
        ("1" * 10_000, ""),
    ],
)
def test_an_address_is_read_in_every_spelling(text: str, expected: str) -> None:
    """Ports, brackets, zones and IPv4 in IPv6 are taken off; what is not public, or no address, is none."""
    assert (expected, expected) == (client_address(text, head(), 0), client_address("", head(text), 1))


@given(st.text(max_size=60) | st.from_regex(r"\[?[0-9a-f:.%]{0,50}\]?(:[0-9]{1,6})?"), st.integers(0, 3))
def test_whatever_is_read_as_an_address_is_a_public_one(text: str, proxies: int) -> None:
    """Any text gives a public address in its shortest spelling, or nothing."""
    found = client_address(text, head(text, text), proxies)
    assert found == "" or (str(ipaddress.ip_address(found)), ipaddress.ip_address(found).is_global) == (found, True)


@given(st.ip_addresses(v=4))
def test_no_public_address_is_lost(address: ipaddress.IPv4Address) -> None:
    """What Python takes for a public address is one here, but for two blocks of protocols that nobody is given."""
    protocols = [ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("192.88.99.0/24")]
    public = address.is_global and not (address.is_multicast or any(address in network for network in protocols))
    assert (str(address) if public else "") == client_address(str(address), head(), 0)


def test_reading_an_address_leaves_nothing_behind() -> None:
    """No cache, not even one of Python's own, keeps the address of a request that is over."""
    addresses = ["73.22.11.199", "2601:1c0::1234"]
    for address in addresses:
        assert address == client_address(address, head(), 0)
    gc.collect()
    kinds = (ipaddress.IPv4Address, ipaddress.IPv6Address)
    # By their very type: to ask an object of a framework what it is may wake it up.
    left = {str(thing) for thing in gc.get_objects() if type(thing) in kinds}
    assert set() == left & set(addresses)


# -- reverse DNS


@pytest.fixture
def server() -> Iterator[NameServer]:
    """Return a name server that knows nothing yet."""
    server = NameServer()
    yield server
    server.close()


@pytest.fixture
def lookup(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[PtrLookup]:
    """Return a look-up that asks that server, with little patience."""
    monkeypatch.setattr(ptr, "PATIENCE", 0.3)
    monkeypatch.setattr(ptr, "LIFETIME", 0.5)
    lookup = PtrLookup(["127.0.0.1"], server.port)
    yield lookup
    lookup.close()


@pytest.mark.parametrize(
    ("address", "name", "expected"),
    [
        (V4, "c-73-22-11-5.hsd1.ca.comcast.net", "comcast.net"),
        (V6, "host.dyn.example.co.uk", "example.co.uk"),
        (V4, "P4FC1.dip0.T-IPconnect.DE", "t-ipconnect.de"),
        # A customer of a cloud is counted under the cloud.
        (V4, "ec2-73-22-11-5.compute-1.amazonaws.com", "amazonaws.com"),
    ],
)
def test_a_confirmed_name_gives_its_registrable_domain(
    server: NameServer, lookup: PtrLookup, address: str, name: str, expected: str
) -> None:
    """A name that leads back to the address is reduced to what was registered."""
    server.points(address, name)
    server.leads(name, "1.2.3.4" if ":" not in address else "2601::1", address)
    server.leads(name.lower(), "1.2.3.4" if ":" not in address else "2601::1", address)
    assert expected == found(lookup, address)


def test_an_alias_is_followed(server: NameServer, lookup: PtrLookup) -> None:
    """Reverse zones smaller than a /24 are delegated by aliases (RFC 2317)."""
    server.zone["5.11.22.73.in-addr.arpa.", "CNAME"] = ["5.0-127.11.22.73.in-addr.arpa."]
    server.zone["5.0-127.11.22.73.in-addr.arpa.", "PTR"] = ["a.isp.example.com."]
    server.zone["a.isp.example.com.", "CNAME"] = ["b.example.com."]
    server.leads("b.example.com", V4)
    assert "example.com" == found(lookup, V4)


def test_a_name_that_leads_elsewhere_is_not_believed(server: NameServer, lookup: PtrLookup) -> None:
    """Whoever owns an address may give it any name; only the owner of the name can confirm it."""
    server.points(V4, "www.bank.com")
    server.leads("www.bank.com", "8.8.8.8")
    assert UNKNOWN == found(lookup, V4)


def test_a_name_that_leads_nowhere_is_not_believed(server: NameServer, lookup: PtrLookup) -> None:
    """A name without addresses confirms nothing."""
    server.points(V4, "a.example.com")
    assert UNKNOWN == found(lookup, V4)


def test_the_one_confirmed_of_several_names_counts(server: NameServer, lookup: PtrLookup) -> None:
    """Among several names the confirmed one is taken."""
    server.points(V4, "www.bank.com", "a.example.com")
    server.leads("a.example.com", V4)
    assert "example.com" == found(lookup, V4)


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert\\(1\\)</script>.example.com",
        "a'b.example.com",
        "a\\032b.example.com",
        "a\\010b.example.com",
        "under_score.example.com",
        "xn--pple-43d.com",
        "www.xn--pple-43d.com",
        "\\208\\176.example.com",
        "localhost",
        "host.local",
        "host.lan",
        "com",
        "co.uk",
        "1.2.3.4",
        "-a.example.com",
        "a" * 63 + "." + "b" * 63 + "." + "c" * 63 + "." + "d" * 57 + ".com",
    ],
)
def test_a_hostile_name_is_refused(server: NameServer, lookup: PtrLookup, name: str) -> None:
    """What is no plain name of a host under a public suffix is nobody, even where it leads back."""
    server.points(V4, name)
    server.leads(name, V4)
    found_now = found(lookup, V4)
    expected = "d" * 57 + ".com" if len(name) > 200 else UNKNOWN
    assert expected == found_now


def test_names_without_end_are_not_followed(server: NameServer, lookup: PtrLookup) -> None:
    """An address with hundreds of names does not make us ask hundreds of questions."""
    server.points(V4, *(f"n{number}.example.com" for number in range(500)))
    assert UNKNOWN == found(lookup, V4)
    assert len([question for question in server.asked if question.endswith(" A")]) <= ptr.MAX_NAMES


@pytest.mark.parametrize("trouble", ["silent", "wrong"])
def test_a_server_in_trouble_gives_nobody(server: NameServer, lookup: PtrLookup, trouble: str) -> None:
    """Silence, and bytes that are no answer, end as an unknown provider, though the server never answers."""
    getattr(server, trouble).add("5.11.22.73.in-addr.arpa.")
    assert UNKNOWN == found(lookup, V4)


def test_an_address_without_a_name_is_unknown(lookup: PtrLookup) -> None:
    """No record, no provider."""
    assert UNKNOWN == found(lookup, V4)


def test_nothing_is_remembered_by_address(server: NameServer, lookup: PtrLookup) -> None:
    """The same address is asked about anew: there is no cache whose keys are addresses."""
    server.points(V4, "a.example.com")
    server.leads("a.example.com", V4)
    assert ("example.com", "example.com") == (found(lookup, V4), found(lookup, V4))
    assert 2 == server.asked.count("5.11.22.73.in-addr.arpa. PTR")


def test_a_machine_without_name_servers_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nobody can be asked every provider is unknown, and the owner hears of it once."""

    def fail(**_: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver, "Resolver", fail)
    lookup = PtrLookup()
    assert (UNKNOWN, UNKNOWN) == (found(lookup, V4), found(lookup, V4))
    lookup.close()
    assert ["WARNING"] == [record.levelname for record in caplog.records]


# -- the setting


def test_off_is_no_look_up() -> None:
    """Nobody is looked up where the owner says so."""
    assert open_lookup("off", explicit=True) is None


def test_the_settings_name_their_look_ups(tmp_path: Path) -> None:
    """Each way to find providers is had by its name."""
    path = database(tmp_path / "a.mmdb", {"73.0.0.0/8": {"as_domain": "a.com"}})
    kinds = [type(open_lookup(setting, explicit=True)) for setting in ("ptr", f"mmdb:{path}")]
    assert [PtrLookup, MmdbLookup] == kinds


@pytest.mark.parametrize("setting", ["", "dns", "mmdb", "mmdb:", "ptr:x"])
def test_an_unknown_way_is_refused(setting: str) -> None:
    """What is no way to find providers is told, with those there are."""
    with pytest.raises(ConfigError, match='Write "ptr", "mmdb:FILE" or "off"'):
        open_lookup(setting, explicit=True)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the libraries of the extra look as if they were not installed."""
    real: Callable[[str], object] = importlib.util.find_spec
    gone = {"dns", "publicsuffixlist", "maxminddb"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in gone else real(name))


def test_the_default_does_without_its_libraries(bare: None, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody chose the default: without its libraries providers are not counted, which one line says."""
    caplog.set_level(logging.INFO)
    assert open_lookup("ptr", explicit=False) is None
    assert ["INFO"] == [record.levelname for record in caplog.records]
    assert "pip install consent_mw[isp]" in caplog.text


@pytest.mark.parametrize("setting", ["ptr", "mmdb:any.mmdb"])
def test_what_the_owner_chose_needs_its_libraries(bare: None, setting: str) -> None:
    """A choice that cannot be honoured is an error at the start that says what to install."""
    with pytest.raises(ConfigError, match=r"pip install consent_mw\[isp\]"):
        open_lookup(setting, explicit=True)
