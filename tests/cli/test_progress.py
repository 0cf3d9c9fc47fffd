"""The progress of an audit: a bar on a terminal, plain lines elsewhere, and nothing where programs read."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import termios
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from consent_mw.cli import main
from consent_mw.cli.progress import progress

APP = "tests.audit.sites:clean()"
#: Removes what is in the line.
CLEAR = "\r\x1b[K"


@contextmanager
def terminal(patch: pytest.MonkeyPatch, columns: int = 80, encoding: str = "utf-8") -> Iterator[Callable[[], str]]:
    """Let the standard error stream be a terminal; yield a function that returns what it has shown since."""
    patch.delenv("TERM", raising=False)
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.set_blocking(ours, False)

    def shown() -> str:
        found = b""
        with open(ours, "rb", closefd=False) as reader:
            while piece := reader.read(4096):
                found += piece
        return found.decode(encoding)

    try:
        with open(theirs, "w", encoding=encoding) as stream:
            patch.setattr(sys, "stderr", stream)
            yield shown
    finally:
        os.close(ours)


def bars(shown: str) -> list[str]:
    """Return the states of the line, one after the other."""
    assert shown.startswith(CLEAR)
    return shown.split(CLEAR)[1:]


def test_a_terminal_gets_a_bar_that_grows_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fills from left to right in one line with pages, total and path, and nothing of it stays."""
    with terminal(monkeypatch) as shown, progress(shows=True) as told:
        told(0, 4, "before a choice", "/")
        told(1, 4, "before a choice", "/a")
        told(3, 4, "after a refusal", "/b")
        states = bars(shown())
        assert states == [
            f"{'░' * 24}  0/4  before a choice: /",
            f"{'█' * 6}{'░' * 18}  1/4  before a choice: /a",
            f"{'█' * 18}{'░' * 6}  3/4  after a refusal: /b",
        ]
    with terminal(monkeypatch) as shown:
        with progress(shows=True) as told:
            told(1, 2, "x", "/")
        assert bars(shown())[-1] == ""


def test_a_bar_never_runs_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that are discovered later raise the total, and a total may turn out to be none."""
    with terminal(monkeypatch) as shown, progress(shows=True) as told:
        for done, total in ((0, 0), (1, 2), (2, 20), (12, 20), (21, 20)):
            told(done, total, "x", "/")
        assert [state.count("█") for state in bars(shown())] == [0, 12, 12, 14, 24]


@pytest.mark.parametrize(
    ("columns", "path", "width"),
    [(40, "/" + "a" * 200, 39), (60, "/" + "語" * 99, 59), (500, "/" + "a" * 400, 119), (80, "/\x1b[2J\r\n", 64)],
)
def test_the_line_fits_and_is_clean(monkeypatch: pytest.MonkeyPatch, columns: int, path: str, width: int) -> None:
    """No path wraps the line, or steers the terminal."""
    with terminal(monkeypatch, columns) as shown, progress(shows=True) as told:
        told(1, 2, "before a choice", path)
        (state,) = bars(shown())
        assert state.isprintable()
        assert len(state) + state.count("語") in (width, width - 1)


def test_a_terminal_without_blocks_gets_signs_of_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its encoding has no other."""
    with terminal(monkeypatch, encoding="ascii") as shown, progress(shows=True) as told:
        told(1, 2, "x", "/")
        assert bars(shown()) == [f"{'#' * 12}{'-' * 12}  1/2  x: /"]


def test_elsewhere_each_visit_leaves_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A log gets no signs for terminals."""
    with progress(shows=True) as told:
        for path in ("/", "/a"):
            told(0, 3, "before a choice", path)
        told(2, 3, "after a refusal", "/")
    assert capsys.readouterr().err == "before a choice: 2 addresses\nafter a refusal: 1 address\n"


def test_an_audit_shows_its_bar_only_where_a_person_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not with --quiet, and not with a format for programs; init shows it, too."""
    monkeypatch.chdir(tmp_path)
    for given, shows in (
        (["audit", APP, "-o", "a.html", "--format", "html"], True),
        (["init", APP], True),
        (["audit", APP, "-o", "b.txt", "-q"], False),
        (["audit", APP, "-o", "a.sarif", "--format", "sarif"], False),
    ):
        with terminal(monkeypatch) as shown:
            assert main([*given, "--pages", "1"]) == 0
            assert ("░" in shown()) == shows, given
