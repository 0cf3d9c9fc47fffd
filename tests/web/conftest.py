"""The browser of ``tests/browser``, for how the banner looks and is used."""

from __future__ import annotations

from tests.browser.conftest import chromium as chromium
from tests.browser.conftest import proxy as proxy
