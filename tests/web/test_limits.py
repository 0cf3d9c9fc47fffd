"""How often one client may write: grants and reports, by address, in memory."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.choice import Action
from consent_mw.http.request import RequestHead
from consent_mw.web.limits import WINDOW
from consent_mw.web.limits import ClientLimit
from consent_mw.web.limits import clients_of
from tests.web.doubles import REMOTE
from tests.web.doubles import SITE
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor


class Clock:
    """A time that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def head(*forwarded: str) -> RequestHead:
    """Return a request with these lists of proxies."""
    return RequestHead("POST", "https", "shop.example", "/", "", tuple(("x-forwarded-for", one) for one in forwarded))


def takes(limit: ClientLimit, remote: str = REMOTE, *forwarded: str, proxies: int = 0, an_hour: int = 3) -> int:
    """Return how many of ten requests at once are allowed."""
    return sum(
        limit.allows(remote, head(*forwarded), proxies=proxies, an_hour=an_hour, what="grants") for _ in range(10)
    )


def test_an_address_has_so_many_in_an_hour() -> None:
    """The first ones pass, an hour later as many again, and half as many after half an hour."""
    clock = Clock()
    limit = ClientLimit(clock)
    assert takes(limit, an_hour=4) == 4
    clock.now += WINDOW / 2
    assert takes(limit, an_hour=4) == 2
    clock.now += 5 * WINDOW
    assert takes(limit, an_hour=4) == 4


def test_another_address_is_not_touched() -> None:
    """Whoever fills a bucket fills the own one."""
    limit = ClientLimit(Clock())
    assert (takes(limit), takes(limit), takes(limit, "203.0.113.9")) == (3, 0, 3)


def test_zero_is_no_limit() -> None:
    """An owner may switch it off."""
    assert takes(ClientLimit(Clock()), an_hour=0) == 10


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2aa::1", "2001:db8:1:2ff::2", True),
        ("2001:db8:1:2aa::1", "2001:db8:1:3aa::1", False),
        ("::ffff:198.51.100.7", "198.51.100.7", True),
        ("198.51.100.7:4711", "198.51.100.7", True),
        ("[2001:db8::1]:443", "2001:db8::2", True),
        ("198.51.100.7", "198.51.100.8", False),
    ],
)
def test_whose_bucket_an_address_has(one: str, other: str, same: bool) -> None:
    """A household has one bucket however its address is written; neighbours have others."""
    assert (clients_of(one, head(), 0) == clients_of(other, head(), 0)) is same


def test_stated_proxies_name_the_client() -> None:
    """What stands further left in the list is the client's own word and gives no new bucket."""
    limit = ClientLimit(Clock())
    assert takes(limit, "10.0.0.1", "198.51.100.7", proxies=1) == 3
    assert takes(limit, "10.0.0.1", "1.2.3.4, 198.51.100.7", proxies=1) == 0
    assert takes(limit, "10.0.0.1", "198.51.100.8", proxies=1) == 3


def test_visitors_behind_a_proxy_that_nobody_stated_are_told_apart() -> None:
    """The proxy of a private network names them; a list that they make up gets no further than the proxy's bucket."""
    limit = ClientLimit(Clock())
    assert takes(limit, "127.0.0.1", "198.51.100.7") == 3
    assert takes(limit, "127.0.0.1", "198.51.100.8") == 3
    assert sum(takes(limit, "127.0.0.1", f"198.51.100.{number}") for number in range(20, 90)) == 30 - 6


def test_a_public_peer_cannot_choose_its_bucket() -> None:
    """Without a stated proxy, what a client on the internet says of itself counts for nothing."""
    limit = ClientLimit(Clock())
    assert sum(takes(limit, REMOTE, f"192.0.2.{number}") for number in range(20)) == 3


def test_no_address_is_kept() -> None:
    """What is remembered is a hash under a key of this process."""
    limit = ClientLimit(Clock())
    takes(limit)
    (kept,) = limit._left._kept
    assert REMOTE.encode() not in kept
    other = ClientLimit(Clock())
    takes(other)
    assert list(other._left._kept) != [kept]


def test_many_addresses_do_not_fill_the_memory() -> None:
    """The oldest are forgotten."""
    limit = ClientLimit(Clock())
    for number in range(25_000):
        limit.allows(f"2001:db8:{number:x}::1", head(), proxies=0, an_hour=1, what="grants")
    assert len(limit._left) == 20_000
    assert limit._left.size < 8_000_000


@given(st.text(max_size=80), st.text(max_size=80), st.integers(0, 2))
def test_no_address_raises(remote: str, forwarded: str, proxies: int) -> None:
    """Whatever a server or a stranger writes, somebody's bucket is asked."""
    assert ClientLimit().allows(remote, head(forwarded), proxies=proxies, an_hour=1, what="grants")


# -- at the pages


def test_a_bot_cannot_fill_the_ledger(caplog: pytest.LogCaptureFixture) -> None:
    """Grants beyond the limit are refused with a time to try again; the log says so once and names the settings."""
    bot = Visitor(FakeContext(replace(SITE, grants_per_hour=5)))
    answers = []
    for _ in range(12):
        bot.jar.clear()
        answers.append(bot.post(("action", "accept-all")).status_code)
    assert answers == [303] * 5 + [429] * 7
    assert len(bot.context.records.rows) == 5
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 1
    assert "trusted_proxies" in told[0].getMessage()
    assert REMOTE not in caplog.text


def test_refusals_and_withdrawals_always_count() -> None:
    """Whoever has no token left can still say no, and take back what was granted."""
    visitor = Visitor(FakeContext(replace(SITE, grants_per_hour=1)))
    assert visitor.post(("action", "accept-all")).status_code == 303
    granted = dict(visitor.jar)
    visitor.jar.clear()
    answer = visitor.post(("action", "accept-all"))
    assert (answer.status_code, "Retry-After" in answer.headers, visitor.jar) == (429, True, {})
    assert visitor.post(("action", "reject-all")).status_code == 303
    visitor.jar = granted
    assert visitor.post(("action", "withdraw")).status_code == 303
    assert getattr(visitor.holds(), "action", None) is Action.WITHDRAW
