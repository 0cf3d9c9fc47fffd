"""The rules that hold for every test are themselves kept."""

from __future__ import annotations

import socket

import pytest

from tests import conftest


def report(reason: str) -> pytest.TestReport:
    """Return the report of a test that skipped itself."""
    return pytest.TestReport(
        nodeid="a test",
        location=("file", 1, "a test"),
        keywords={},
        outcome="skipped",
        longrepr=("file", 1, f"Skipped: {reason}"),
        when="call",
    )


def test_a_skip_is_a_failure_where_nothing_may_be_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI=true a missing browser is named as the reason of a failure."""
    monkeypatch.setenv("CI", "true")
    assert conftest.forbidden_skip(report("chromium is absent")) == "chromium is absent"


def test_a_skip_is_a_skip_on_a_developer_s_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CI=true a test may skip itself."""
    monkeypatch.delenv("CI", raising=False)
    assert conftest.forbidden_skip(report("chromium is absent")) == ""


def test_the_shared_corpus_may_be_absent_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy of the shared test material is the one thing that a build machine need not have."""
    monkeypatch.setenv("CI", "true")
    assert conftest.forbidden_skip(report("test corpus absent: set CONSENT_MW_CORPUS to its folder")) == ""


@pytest.mark.parametrize("address", [("192.0.2.1", 443), ("tracker.example", 443), ("2001:db8::1", 443, 0, 0)])
def test_a_connection_to_the_network_is_refused(address: tuple[str | int, ...]) -> None:
    """A test that reaches for the network fails at once, whatever the network would answer."""
    family = socket.AF_INET6 if len(address) > 2 else socket.AF_INET
    with socket.socket(family) as client, pytest.raises(AssertionError, match="only loopback is allowed"):
        client.connect(address)


@pytest.mark.parametrize("address", [("127.0.0.1", 80), ("::1", 80), ("localhost", 80), ("a.localhost", 80), "/run/x"])
def test_loopback_is_open(address: object) -> None:
    """Addresses of this machine are let through."""
    assert conftest.is_loopback(address)
