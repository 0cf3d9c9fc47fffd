"""The command line as a whole: its list, its exit codes, what it loads, and how it behaves in a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from consent_mw.cli import COMMANDS
from consent_mw.cli import main
from tests.cli.conftest import Run
from tests.records.books import Book

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "consent_mw.cli"]


def test_the_list_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """--help shows each command with a line of its own."""
    code = main(["--help"])
    out = capsys.readouterr().out
    assert (code, [f"\n  {name}" in out for name in COMMANDS]) == (0, [True] * len(COMMANDS))


def test_without_a_command_the_list_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing at all is answered by the list, and exits with 2."""
    assert (main([]), "Usage:" in "".join(capsys.readouterr())) == (2, True)


@pytest.mark.parametrize("args", [["nonsense"], ["ledger", "nonsense"], ["ledger", "verify", "--nonsense"]])
def test_a_mistake_in_the_command_exits_with_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What is not known is told in a line, without a traceback."""
    code = main(args)
    out, err = capsys.readouterr()
    assert (code, out, "No such" in err) == (2, "", True)


@pytest.mark.parametrize("name", ["ledger", "receipt", "notice", "records"])
def test_each_group_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each group lists its commands."""
    assert (main([name, "--help"]), "Commands:" in capsys.readouterr().out) == (0, True)


def test_help_loads_nothing_heavy() -> None:
    """The list of commands is there before Flask, stores or the catalogue are loaded."""
    program = (
        "import sys; from consent_mw.cli import main; main(['--help']);"
        "print(*sorted({n for n in sys.modules if n.split('.')[0] in "
        "('flask', 'werkzeug', 'jinja2', 'redis', 'psycopg', 'sqlite3', 'itsdangerous')"
        " or n.startswith('consent_mw.')}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stderr.split())
    assert {name for name in loaded if not name.startswith("consent_mw.")} == set()
    assert "consent_mw.cli.ledger" not in loaded


def test_it_runs_as_a_module(book: Book, config_file: Path) -> None:
    """``python -m consent_mw.cli`` is the same program, and its exit code is the finding."""
    book.tamper("DELETE FROM ledger WHERE receipt = 'receipt-1'")
    done = subprocess.run(
        [*PROGRAM, "ledger", "verify"],
        cwd=config_file.parent,  # the configuration is found where the command runs
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, "removed" in done.stdout, done.stderr) == (1, True, "")


def test_the_configuration_may_be_named_by_the_environment(
    book: Book, config_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """CONSENT_CONFIG stands for --config."""
    monkeypatch.setenv("CONSENT_CONFIG", str(config_file))
    assert (main(["ledger", "verify"]), "Ledger of shop" in capsys.readouterr().out) == (0, True)


def test_who_stops_reading_sees_no_traceback(book: Book, config_file: Path) -> None:
    """An output that is cut off by ``head`` ends the program quietly."""
    book.grant(600)  # more than a pipe holds
    done = subprocess.run(
        f"{sys.executable} -m consent_mw.cli ledger export | head -1",
        shell=True,
        cwd=config_file.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert (done.stdout.startswith('"site","receipt"'), done.stderr) == (True, "")


@pytest.mark.parametrize(("no_colour", "coloured"), [("", True), ("1", False)])
def test_a_terminal_has_colours_unless_they_are_unwanted(
    book: Book, config_file: Path, no_colour: str, coloured: bool
) -> None:
    """In a terminal the verdict is green; NO_COLOR (no-color.org) turns that off."""
    outside, inside = pty.openpty()
    done = subprocess.Popen(
        [*PROGRAM, "ledger", "verify"],
        cwd=config_file.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": no_colour, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=inside,
        stderr=inside,
    )
    assert done.wait(60) == 0
    os.close(inside)
    shown = os.read(outside, 10_000)
    os.close(outside)
    assert (b"\x1b[32m" in shown, b"intact" in shown) == (coloured, True)


def test_an_interruption_is_told_without_a_traceback(run: Run, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command with a word."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("consent_mw.proof.verifying.verify", interrupted)
    done = run("ledger", "verify")
    assert (done.code, done.out, done.err.strip()) == (2, "", "Stopped.")


def test_the_log_level_is_given_back(run: Run, book: Book) -> None:
    """A program that calls main keeps its own logging."""
    import logging

    logger = logging.getLogger("consent_mw")
    before = logger.level
    run("ledger", "verify")
    assert logger.level == before
