"""
The scripts that are served: built from the sources beside them, and fit to stand in any page.

Whether the committed ones are what the pinned minifier makes is checked by ``tests/house/test_generated.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import build_scripts


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the built scripts, which the check takes for the committed ones; the minifier makes the same."""
    made = {path.name: path.read_text(encoding="ascii") for path in build_scripts.BUILT.glob("*.js")}
    for name, text in made.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    monkeypatch.setattr(build_scripts, "BUILT", tmp_path)
    monkeypatch.setattr(build_scripts, "built", made.__getitem__)
    return tmp_path


def test_the_check_finds_a_changed_source(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that was built from another source fails the check, and the message names it and the remedy."""
    assert build_scripts.main(["--check"]) == 0
    (built / "guard.js").write_text("old()")
    assert build_scripts.main(["--check"]) == 1
    message = capsys.readouterr().err
    assert "guard.js" in message
    assert "python -m tools.build_scripts" in message


def test_the_check_finds_a_script_without_a_source(built: Path) -> None:
    """A built file that nothing builds any more is stale, too."""
    (built / "gone.js").write_text("")
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
