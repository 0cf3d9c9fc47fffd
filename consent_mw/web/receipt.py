"""What people can do about the record of their choice, with nothing but the cookie that holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from consent_mw.web.context import WebContext


def register(app: Flask, context: WebContext) -> None:
    """Add the pages to the application."""
