"""
Rules for every test: loopback only, no skips on a build machine, no influence of the environment.

Fixtures of one part are in the ``conftest.py`` of that part's folder.
"""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import signal
import socket
from collections.abc import Generator
from collections.abc import Iterator
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests import sharing
from tests.tracing import ChosenRuns

# Browser modules are not imported here: most tests need no browser, and the machine may not have one.
if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

    from tests.browser.harness.proxy import Proxy

#: A clone on a build machine has no copy of the shared test material; the project's own cases run anyway.
ALLOWED_SKIPS = ("test corpus absent",)

# No deadline: the speed of a loaded machine is not a property of the code. A build tries the same examples each time,
# so that only a change makes it fail; developers' runs and ``make fuzz`` search for new ones.
hypothesis.settings.register_profile(
    "consent_mw",
    deadline=None,
    print_blob=True,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("consent_mw")


def is_loopback(address: object) -> bool:
    """Return whether ``address``, an argument of ``socket.connect``, is on this machine."""
    if not isinstance(address, tuple):
        return True  # a Unix socket is a path
    host = str(address[0])
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def pytest_configure(config: pytest.Config) -> None:
    """Restore SIGINT: a shell's background jobs ignore it, and the servers of the tests would inherit that."""
    config.pluginmanager.register(ChosenRuns())
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Distribute the tests as described in ``tests/sharing.py``."""
    return sharing.scheduler(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests into the order in which the processes take them."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: sharing.place_of(item.nodeid))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while the tests are collected: nearly all that is made then is kept."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Exclude the collected tests from garbage collection: each process keeps all of them to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Refuse connections to the network, so that the suite passes (and means the same) offline."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded_connect(self: socket.socket, address: tuple[str, int]) -> None:
        if not is_loopback(address):
            raise AssertionError(f"a test tried to connect to {address!r}; only loopback is allowed")
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: tuple[str, int]) -> int:
        if not is_loopback(address):
            raise AssertionError(f"a test tried to connect to {address!r}; only loopback is allowed")
        return connect_ex(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded_connect)
    patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's own keys and proxies from the code under test."""
    for name in ("CONSENT_KEYS", "http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_running_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """
    Hide the event loop of Playwright from a test that uses no browser.

    Playwright's synchronous API keeps a loop running in this thread as long as the browser is open. asyncio detects it
    and refuses to run another.
    """
    if "chromium" in request.fixturenames:
        yield
        return
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)


@pytest.fixture(scope="session")
def proxy() -> Proxy:
    """The proxy, which has the certificate authority and opens lanes."""
    from tests.browser.harness.proxy import Proxy

    return Proxy()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A plain Playwright browser; its contexts only reach loopback, unless they use a lane as their proxy."""
    from playwright.sync_api import expect
    from playwright.sync_api import sync_playwright

    from tests.browser.harness import chromium as chromium_driver
    from tests.browser.harness.engines import PATIENCE

    path = chromium_driver.find()
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium_driver.flags())
        yield browser
        browser.close()


def forbidden_skip(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return the reason of a skip that CI=true does not allow, or an empty string."""
    if os.environ.get("CI") != "true" or not report.skipped or hasattr(report, "wasxfail"):
        return ""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    return "" if reason.startswith(ALLOWED_SKIPS) else reason


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failure if skips are not allowed."""
    report = yield
    if reason := forbidden_skip(report):
        report.outcome = "failed"
        report.longrepr = f"skipped with CI=true, where nothing may be skipped: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skipped module into a failure if skips are not allowed."""
    report = yield
    if reason := forbidden_skip(report):
        report.outcome = "failed"
        report.longrepr = f"skipped with CI=true, where nothing may be skipped: {reason}"
    return report
