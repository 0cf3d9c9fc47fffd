"""
The common interface of the browsers, and their shared helpers.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NoReturn
from typing import Protocol

import pytest

from tests.browser.harness.proxy import Hit
from tests.browser.harness.proxy import Lane

#: Timeout in seconds for one page or one click; long, since the machine may be busy.
PATIENCE = 30.0
#: Buttons that send a visitor's answer to the server.
_ANSWERS = re.compile(r"""(?:value|data-cmw-action)="?(?:accept-all|reject-all|save|withdraw)\b""")


class BrowserError(Exception):
    """A browser did not do its task; the message says what and why."""


class Session(Protocol):
    """A fresh profile with one page, scripts on or off, that uses one lane."""

    def open(self, url: str) -> None:
        """Go to ``url`` and wait for its load event and for the lane to settle."""

    def click(self, selector: str) -> None:
        """Click the first element that matches the CSS ``selector`` and wait for the lane to settle."""

    def follow(self, selector: str, url: str) -> None:
        """Click an element that leads to ``url``, and wait for the page there as after ``open``."""

    def html(self) -> str:
        """Return the current document, serialised."""


def heard(lane: Lane, selector: str, since: int) -> None:
    """
    Wait until the server has received the answer, if ``selector`` is a button with which a visitor answers.

    A busy browser may send the answer long after the click, when the lane seems to have settled already.

    Raises:
        BrowserError: The answer was never sent.
    """
    if not _ANSWERS.search(selector):
        return
    if not lane.wait_for(lambda hits: any(map(_is_answer, hits)), since, limit=PATIENCE):
        raise BrowserError(f"no answer was sent after the click on {selector}")


def arrived(lane: Lane, url: str, since: int) -> None:
    """
    Wait until the page at ``url`` was requested, and for the lane to settle.

    Raises:
        BrowserError: It was never requested.
    """
    if not lane.wait_for(lambda hits: any(hit.url == url for hit in hits), since, limit=PATIENCE):
        raise BrowserError(f"{url} was never asked for")
    lane.settle()


def _is_answer(hit: Hit) -> bool:
    return hit.method == "POST" and hit.path.partition("?")[0].endswith("/_cmw/choice")


class Engine(Protocol):
    """A browser that can be started."""

    @property
    def name(self) -> str:
        """Its name in reports."""

    def session(self, lane: Lane, scripts: bool) -> AbstractContextManager[Session]:
        """Start a fresh profile that uses ``lane``."""


@dataclass(frozen=True, slots=True)
class Open:
    """Go to an address."""

    url: str

    def do(self, session: Session) -> None:
        """Do it."""
        session.open(self.url)


@dataclass(frozen=True, slots=True)
class Click:
    """Click an element."""

    selector: str

    def do(self, session: Session) -> None:
        """Do it."""
        session.click(self.selector)


Step = Open | Click


def visit(engine: Engine, lane: Lane, scripts: bool, steps: Sequence[Step]) -> list[int]:
    """Do ``steps`` in one fresh profile; return the log positions before each step and at the end."""
    marks = []
    with engine.session(lane, scripts) as session:
        for step in steps:
            marks.append(lane.mark())
            step.do(session)
        marks.append(lane.mark())
    return marks


def executable(variable: str, *candidates: str) -> str | None:
    """Return the program that the environment ``variable`` names, else the first candidate that exists."""
    named = os.environ.get(variable)
    for candidate in [named] if named else candidates:
        found = shutil.which(candidate)
        if found is not None:
            return found
    return None


def missing(what: str, variable: str, packages: str) -> NoReturn:
    """Skip the test, or fail it with CI=true; the message says how to get ``what``."""
    reason = f"{what} is absent: apt-get install -y --no-install-recommends {packages} (or name it in {variable})"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
