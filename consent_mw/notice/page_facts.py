"""
The facts about a page that determine the scripts at the top of its head.
"""

from __future__ import annotations

from typing import Protocol

from consent_mw.core.choice import Decision

__all__ = ["FirstPage"]


class FirstPage(Protocol):
    """The facts about a page for the guard and the signals; see :class:`consent_mw.notice.banner.NoticePage`."""

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
        """Whether the page's policy allows inline code."""

    @property
    def linked(self) -> bool:
        """Whether the page's policy allows our linked scripts."""

    @property
    def lang(self) -> str:
        """The language of the notice in the page."""

    @property
    def xml(self) -> bool:
        """Whether it is an XHTML page."""
