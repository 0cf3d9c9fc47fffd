"""The pages under the mount: choice, preferences, placeholders; see :mod:`consent_mw.web.app`."""

from __future__ import annotations

from consent_mw.web.app import create_app
from consent_mw.web.context import WebContext

__all__ = ["WebContext", "create_app"]
