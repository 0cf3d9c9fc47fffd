"""
The pytest plugin; one line of ``conftest.py`` loads it:

    pytest_plugins = ["consent_mw.testing.pytest_plugin"]

===================  ====================================================================================
``assert_held``      :func:`consent_mw.testing.assert_held`, with the configuration that ``consent_config`` names
``consent_browser``  a :class:`consent_mw.testing.browser.ConsentBrowser` for the whole run
===================  ====================================================================================

``consent_config`` in pytest's configuration is the path of a consent.toml, from the root directory; without it, the one
in the working folder is used. ``--consent-browser FILE`` names the Chromium, or a Firefox.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest

from consent_mw import testing

if TYPE_CHECKING:
    from consent_mw.testing.browser import ConsentBrowser

__all__ = ["assert_held", "consent_browser", "pytest_addoption"]

_CONFIG = "consent_config"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting and the option."""
    parser.addini(_CONFIG, "The consent.toml of the site, from the root directory.", default="")
    group = parser.getgroup("consent_mw")
    group.addoption(
        "--consent-browser", metavar="FILE", default="", help="The Chromium or Firefox for consent_browser."
    )


def _config(config: pytest.Config) -> str | None:
    named = str(config.getini(_CONFIG))
    return str(config.rootpath / named) if named else None


@pytest.fixture(scope="session")
def assert_held(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Fail if a response of a test client would load anything that needs consent."""
    return partial(testing.assert_held, config=_config(request.config))


@pytest.fixture(scope="session")
def consent_browser(request: pytest.FixtureRequest) -> Iterator[ConsentBrowser]:
    """Visit the site in a Chromium that stays open for the whole run."""
    from consent_mw.testing.browser import ConsentBrowser

    browser = ConsentBrowser(request.config.getoption("--consent-browser"), config=_config(request.config))
    yield browser
    browser.close()
