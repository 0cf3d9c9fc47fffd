"""Who may look at the owner's pages: the token, the session, the host site's check, and how guesses are slowed down."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.security import generate_password_hash

from consent_mw.core.model import Site
from consent_mw.core.model import StatsAccess
from consent_mw.web.stats.access import FORGET_SECONDS
from consent_mw.web.stats.access import FREE_ATTEMPTS
from consent_mw.web.stats.access import LONGEST_WAIT
from consent_mw.web.stats.access import SESSION_SECONDS
from consent_mw.web.stats.access import Gate
from consent_mw.web.stats.access import Throttle

KEY = "0123456789abcdef0123456789abcdef"
NEWER = "fedcba9876543210fedcba9876543210"
PASSWORD = "correct horse battery staple"
#: Cheap on purpose: what a hash costs is werkzeug's to test.
HASH = generate_password_hash(PASSWORD, "pbkdf2:sha256:1")
TOKEN = "machine-token-0123456789"
SITE = Site(stats=StatsAccess(password=HASH, token=hashlib.sha256(TOKEN.encode()).hexdigest()))


class Clock:
    """A time that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def gate(clock: Clock | None = None, *keys: str) -> Gate:
    """Return a gate with a clock of its own."""
    clock = clock or Clock()
    return Gate(lambda: keys or (KEY,), now=clock, throttle=Throttle(clock))


def checked(check: object) -> Site:
    """Return a site with nothing but a check of its own."""
    return Site(stats=StatsAccess(check=check))  # type: ignore[arg-type]


def let_in(site: Site, *, session: str = "", token: str | None = None, at: Gate | None = None) -> bool:
    """Return whether a gate admits a request."""
    return (at or gate()).admits(site, {"HTTP_COOKIE": "login=1"}, session=session, token=token)


def test_nobody_is_let_in_until_it_is_configured() -> None:
    """Without a password, token or check there is no way in, not even with what would be right elsewhere."""
    session = gate().log_in(SITE, PASSWORD)
    assert session
    assert not let_in(Site(), session=session, token=f"Bearer {TOKEN}")
    assert gate().log_in(Site(), "") is None


def test_the_password_begins_a_session() -> None:
    """The right password gives a session that lets in; a wrong one gives nothing."""
    one = gate()
    session = one.log_in(SITE, PASSWORD)
    assert session
    assert let_in(SITE, session=session, at=one)
    assert one.log_in(SITE, "wrong") is None
    assert one.log_in(SITE, "") is None


def test_a_session_ends_after_eight_hours() -> None:
    """A session is good to the last second of its time, and not after; nor before it began."""
    clock = Clock()
    one = gate(clock)
    session = one.log_in(SITE, PASSWORD) or ""
    begun = clock.now
    for passed, good in ((SESSION_SECONDS, True), (SESSION_SECONDS + 1, False), (-1, False)):
        clock.now = begun + passed
        assert let_in(SITE, session=session, at=one) is good


def test_a_new_password_ends_every_session() -> None:
    """A session is bound to the hash that it was opened with, even where the password is the same."""
    session = gate().log_in(SITE, PASSWORD) or ""
    changed = replace(SITE, stats=replace(SITE.stats, password=generate_password_hash(PASSWORD, "pbkdf2:sha256:1")))
    assert not let_in(changed, session=session)


def test_a_session_belongs_to_one_site() -> None:
    """Sites that share their keys do not share their sessions."""
    session = gate().log_in(SITE, PASSWORD) or ""
    assert not let_in(replace(SITE, id="other"), session=session)
    assert not let_in(replace(SITE, mount="/_other"), session=session)


def test_sessions_survive_a_new_key() -> None:
    """The newest key signs, and older ones still verify; without the old key the session ends."""
    session = gate(None, KEY).log_in(SITE, PASSWORD) or ""
    assert let_in(SITE, session=session, at=gate(None, KEY, NEWER))
    assert not let_in(SITE, session=session, at=gate(None, NEWER))


@given(st.text(max_size=80))
def test_no_made_up_cookie_is_a_session(cookie: str) -> None:
    """Whatever a browser sends as the session, only what was signed here lets in."""
    assert not let_in(SITE, session=cookie)


def test_a_changed_session_is_none() -> None:
    """A session with any one character changed is refused."""
    session = gate().log_in(SITE, PASSWORD) or ""
    # The last character of a MAC has bits that its bytes do not use.
    for place in range(len(session) - 1):
        other = "A" if session[place] != "A" else "B"
        assert not let_in(SITE, session=session[:place] + other + session[place + 1 :])


@pytest.mark.parametrize(
    ("header", "good"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        (TOKEN, False),
        (f"Basic {TOKEN}", False),
        (f"Bearer {TOKEN}x", False),
        (f"Bearer {TOKEN[:-1]}", False),
        (f"Bearer {hashlib.sha256(TOKEN.encode()).hexdigest()}", False),
        ("Bearer ", False),
        ("Bearer ümlaut", False),
        ("", False),
    ],
)
def test_the_token_is_compared_by_its_hash(header: str, good: bool) -> None:
    """Only the token itself opens the interfaces for machines: its hash, which the config holds, does not."""
    assert let_in(SITE, token=header) is good


def test_a_token_opens_nothing_where_it_is_not_asked_for() -> None:
    """The page for people takes no token."""
    assert not gate().admits(SITE, {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}, session="", token=None)


def test_the_hosts_check_gets_the_environ() -> None:
    """A site that knows its staff decides by the request itself."""
    seen: list[Mapping[str, object]] = []

    def staff(environ: Mapping[str, object]) -> bool:
        seen.append(environ)
        return environ.get("HTTP_COOKIE") == "login=1"

    assert let_in(checked(staff))
    assert seen == [{"HTTP_COOKIE": "login=1"}]
    assert not gate().admits(checked(staff), {}, session="", token=None)


def test_a_check_that_fails_is_a_no(caplog: pytest.LogCaptureFixture) -> None:
    """An exception in the host's check lets nobody in, and is logged without what it says of the request."""

    def broken(environ: Mapping[str, object]) -> bool:
        raise KeyError("canary-of-the-request")

    with caplog.at_level(logging.ERROR):
        assert not let_in(checked(broken))
    assert "KeyError" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize("answer", [None, 1, "yes", object()])
def test_only_true_is_a_yes(answer: object, caplog: pytest.LogCaptureFixture) -> None:
    """What is not a plain True lets nobody in, since it may be anything."""
    with caplog.at_level(logging.ERROR):
        assert not let_in(checked(lambda environ: answer))
    assert "return True or False" in caplog.text


def test_a_check_for_asynchronous_servers_is_a_no() -> None:
    """A coroutine is not an answer: it would be true for everybody."""

    async def staff(environ: Mapping[str, object]) -> bool:
        return True

    assert not let_in(checked(staff))


def test_a_hash_that_is_none_lets_nobody_in(caplog: pytest.LogCaptureFixture) -> None:
    """A password that was written where its hash belongs opens nothing, and is not repeated in the log."""
    for wrong in ("plain-password", "md9:odd$salt$beef"):
        site = Site(stats=StatsAccess(password=wrong))
        assert gate().log_in(site, wrong) is None
    assert "plain-password" not in caplog.text


def test_the_first_guesses_cost_no_waiting() -> None:
    """An owner who mistypes a few times may go on at once."""
    one = Throttle(Clock())
    assert [one.wait() for _ in range(FREE_ATTEMPTS)] == [0] * FREE_ATTEMPTS


def test_guesses_wait_longer_and_longer() -> None:
    """After the free ones each guess doubles the wait for the next, up to the longest wait."""
    clock = Clock()
    one = Throttle(clock)
    for _ in range(FREE_ATTEMPTS):
        one.wait()
    waits = []
    for _ in range(9):
        waits.append(one.wait())
        clock.now += waits[-1]
        assert one.wait() == 0
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]


def test_waiting_takes_no_attempt() -> None:
    """Asking again too early neither tries the password nor makes the wait longer."""
    clock = Clock()
    one = Throttle(clock)
    for _ in range(FREE_ATTEMPTS + 1):
        one.wait()
        clock.now += 0.25
    assert {one.wait() for _ in range(50)} == {1}


def test_guesses_are_forgotten() -> None:
    """After a quarter of an hour without a guess the next ones are free again; so are they after a login."""
    clock = Clock()
    one = Throttle(clock)
    for _ in range(FREE_ATTEMPTS):
        one.wait()
    assert one.wait() > 0
    clock.now += FORGET_SECONDS + 1
    assert [one.wait() for _ in range(FREE_ATTEMPTS)] == [0] * FREE_ATTEMPTS
    one.succeeded()
    assert one.wait() == 0


def test_the_throttle_keeps_nothing_about_anybody() -> None:
    """All that is kept of any number of guesses are three numbers."""
    one = Throttle(Clock())
    for _ in range(100):
        one.wait()
    assert {type(value) for name, value in vars(one).items() if name not in {"_clock", "_lock"}} <= {int, float}
