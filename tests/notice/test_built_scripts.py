"""The scripts that are served: built from the sources beside them, and fit to stand in any page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import npm_packages
from tools import build_scripts


@pytest.fixture
def terser() -> str:
    """Return the version of the minifier; skip where it is not installed."""
    return npm_packages.version("terser")


def test_the_built_scripts_are_up_to_date(terser: str) -> None:
    """``python -m tools.build_scripts --check`` passes: what is committed is what the pinned terser makes."""
    assert build_scripts.main(["--check"]) == 0


def test_the_check_finds_a_changed_source(
    terser: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script that was built from another source fails the check, and the message names it and the remedy."""
    for path in build_scripts.BUILT.glob("*.js"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "guard.js").write_text("old()")
    monkeypatch.setattr(build_scripts, "BUILT", tmp_path)
    assert build_scripts.main(["--check"]) == 1
    message = capsys.readouterr().err
    assert "guard.js" in message
    assert "python -m tools.build_scripts" in message


def test_the_check_finds_a_script_without_a_source(
    terser: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A built file that nothing builds any more is stale, too."""
    for path in build_scripts.BUILT.glob("*.js"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "gone.js").write_text("")
    monkeypatch.setattr(build_scripts, "BUILT", tmp_path)
    assert build_scripts.stale() == ["gone.js"]


def test_a_missing_minifier_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without terser nothing is written, and the message says where it comes from."""
    monkeypatch.setattr(build_scripts, "TERSER", tmp_path / "terser")
    assert build_scripts.main(["--check"]) == 1
    assert "run .ci/npm" in capsys.readouterr().err


def test_every_source_is_built() -> None:
    """No script of static/ is forgotten: each is an output's source or one of its parts."""
    used = {name for main, parts in build_scripts.SCRIPTS.values() for name in (main, *parts)}
    assert used == {path.name for path in build_scripts.SOURCES.glob("*.js")}


@pytest.mark.parametrize("name", sorted(build_scripts.SCRIPTS))
def test_a_script_can_stand_inline_in_any_page(name: str) -> None:
    """It is ASCII, and holds nothing that would end or hide the script element around it."""
    text = (build_scripts.BUILT / name).read_text(encoding="ascii")
    assert re.findall(r"</script|<script|<!--", text, re.IGNORECASE) == []
