"""
The facts about a page that scripts at the top of its head need.
"""

from __future__ import annotations

from typing import Protocol

from consent_mw.core.model import Decision

__all__ = ["FirstPage"]


class FirstPage(Protocol):
    """What the guard and the signals must know of a page; see :class:`consent_mw.notice.banner.Page`."""

    @property
    def decision(self) -> Decision:
        """The decision for this visitor."""

    @property
    def root(self) -> str:
        """The mount's full path."""

    @property
    def nonce(self) -> str:
        """The nonce of the page's Content-Security-Policy, or empty."""

    @property
    def inline(self) -> bool:
        """False where the page's policy forbids inline code."""

    @property
    def linked(self) -> bool:
        """False where it forbids our scripts to be linked to."""

    @property
    def lang(self) -> str:
        """The language of the notice in it."""

    @property
    def xml(self) -> bool:
        """True for an XHTML page."""
