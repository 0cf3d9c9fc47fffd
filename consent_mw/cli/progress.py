"""
Shows how far an audit is, on the standard error stream.

A terminal gets a bar, which stays in one line and is removed at the end::

    ██████████░░░░░░░░░░  12/24  before a choice: /products/3

Elsewhere, as in the log of a CI job, each visit leaves one plain line. The total is an estimate as long as
pages are still being discovered, so the bar never runs backwards: it waits until the estimate agrees again.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unicodedata import combining
from unicodedata import east_asian_width

import click

from consent_mw.cli import clean
from consent_mw.cli.output import count

if TYPE_CHECKING:
    from consent_mw.audit.passes import Told

__all__ = ["progress"]

_BAR = 24
#: The usual columns of a terminal, and the most that the line takes.
_USUAL, _WIDE = 80, 120
#: Removes what is in the line.
_CLEAR = "\r\x1b[K"


@contextmanager
def progress(*, shows: bool) -> Iterator[Told]:
    """
    Show the progress until the block ends.

    Args:
        shows: Whether to show anything.
    """
    if not shows:
        yield lambda *_: None
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        bar = _Bar()
        try:
            yield bar.told
        finally:
            click.echo(_CLEAR, nl=False, err=True)
    else:
        lines = _Lines()
        yield lines.told
        lines.end()


class _Bar:
    """The bar of a terminal."""

    def __init__(self) -> None:
        self._share = 0.0

    def told(self, done: int, total: int, visit: str, path: str) -> None:
        """Draw the bar anew."""
        self._share = max(self._share, min(done / total, 1.0) if total else 0.0)
        full, empty = _signs()
        filled = int(self._share * _BAR)
        number = f"{done:>{len(str(total))}}/{total}"
        text = f"{full * filled}{empty * (_BAR - filled)}  {number}  {visit}: {clean(path)}"
        click.echo(_CLEAR + _within(text, min(_columns(), _WIDE) - 1), nl=False, err=True)


class _Lines:
    """A line for each visit."""

    def __init__(self) -> None:
        self._paths: Counter[str] = Counter()

    def told(self, done: int, total: int, visit: str, path: str) -> None:
        """Count the page."""
        self._paths[visit] += 1

    def end(self) -> None:
        """Print the lines."""
        for visit, number in self._paths.items():
            click.echo(f"{visit}: {count(number, 'address', 'addresses')}", err=True)


def _columns() -> int:
    """Return the width of the terminal."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _USUAL
    except (OSError, ValueError):  # a terminal without a size, or a stream without a file
        return _USUAL


def _signs() -> tuple[str, str]:
    """Return the signs for what is done and what is left, as far as the terminal has them."""
    try:
        "█░".encode(sys.stderr.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "#", "-"
    return "█", "░"


def _within(text: str, room: int) -> str:
    """Cut a text to a number of columns; signs of East Asian scripts take two, combining ones none."""
    taken = 0
    for place, sign in enumerate(text):
        taken += 0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1
        if taken > room:
            return text[:place]
    return text
