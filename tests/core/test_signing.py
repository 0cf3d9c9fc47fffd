"""Signatures: each use has a format that outlives releases, and none passes for another."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.cookies.choice import CookieJar
from consent_mw.cookies.load_once import OneTime
from consent_mw.core.choice import Action
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.core.model import StatsAccess
from consent_mw.core.signing import is_canonical
from consent_mw.core.signing import signer
from consent_mw.http.request import RequestHead
from consent_mw.jobs import ConsentJobs
from consent_mw.proof.signing import key_name

KEYS = ("old-" + "k" * 32, "new-" + "k" * 32)
SITE = Site(id="shop", name="Shop", services=(Service(id="stats", name="S", vendor="V", purposes=("analytics",)),))
HEAD = RequestHead("GET", "https", "shop.example", "/", "", ())
GRANT = Record(
    Action.ACCEPT,
    20_779,
    "0123456789ab",
    frozenset({"analytics"}),
    frozenset({"stats"}),
    "Zm9v-_YmFy0123456789AB",
)


def test_a_choice_is_signed_as_ever() -> None:
    """Cookies that browsers keep must verify after an update."""
    assert CookieJar(SITE, KEYS).set_cookie(GRANT, HEAD).partition(";")[0] == (
        "__Host-cmw=1.accept~20779~0123456789ab~0~analytics~stats~Zm9v-_YmFy0123456789AB"
        ".1sxXVjKLWZtT3NjaI3hN8wVE3iSeRS1Q4cyhwq-iVdY"
    )


def test_a_one_time_cookie_is_signed_as_ever() -> None:
    """Workers of two releases serve the same minute."""
    assert OneTime(SITE, KEYS, lambda: 1000.0).write("__Host-cmw", ["youtube"], "/a?b=c").partition(";")[0] == (
        "__Host-cmw-once=1060.youtube.LTbj8htKmL5yfFGlf6ptPhDwu97R3qZuFWALnySU9L0"
    )


def test_a_frozen_decision_is_signed_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs wait in queues for days."""
    monkeypatch.setenv("CONSENT_KEYS", ",".join(KEYS))
    frozen = ConsentJobs(SITE).freeze(decide(SITE, NoRecord.ABSENT, Signals(), 20_779))
    assert frozen == "1.0.!absent.FYZCMr7fUVfRRWoSP2OEcrqYFvFWJGzuN_0RToLPr80"


def test_keys_of_seals_are_named_as_ever() -> None:
    """Seals name the key that signed them, for years."""
    assert key_name(KEYS[1]) == "Pff3qlkG"


def test_marks_of_places_are_as_ever() -> None:
    """Pages that caches keep hold the mark."""
    assert CookieJar(SITE, KEYS).mark == "1d32459abca1f97c"


@given(st.lists(st.text("abc", max_size=3), min_size=1, max_size=3), st.lists(st.text("abc", max_size=3), min_size=1))
def test_no_context_verifies_for_another(one: list[str], other: list[str]) -> None:
    """A signature counts in its own context and in no other."""
    signed = signer(KEYS, *one).sign("text")
    assert signer(KEYS, *other).validate(signed) is (one == other)


def test_a_site_signs_for_itself_alone() -> None:
    """Another name or mount with the same keys is another site."""
    token = (("cookie", CookieJar(SITE, KEYS).set_cookie(GRANT, HEAD).partition(";")[0]),)
    for other in (replace(SITE, name="Blog"), replace(SITE, mount="/c")):
        assert CookieJar(other, KEYS).read(replace(HEAD, headers=token)) is NoRecord.FORGED
    assert StatsAccess() == SITE.stats


def test_a_mac_has_one_spelling() -> None:
    """Another last character with the same bits is refused."""
    mac = signer(KEYS, "x").get_signature("y").decode()
    assert is_canonical(mac)
    spellings = [mac[:-1] + last for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
    assert sum(map(is_canonical, spellings)) == 16
