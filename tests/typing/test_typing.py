"""User code against the types that the package ships: right code passes mypy and pyright, and mistakes are found."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import npm_packages

USER = Path(__file__).resolve().parent / "user"
ROOT = USER.parents[2]


def mypy(file: Path, tmp_path: Path) -> list[int]:
    """Return the lines in which mypy finds mistakes, with the settings of somebody else's strict project."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", str(tmp_path / "cache")]
        + ["--explicit-package-bases", "--follow-imports", "silent", "--output", "json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return sorted(json.loads(line)["line"] for line in done.stdout.splitlines() if line.startswith("{"))


def pyright(file: Path, tmp_path: Path) -> list[int]:
    """Return the lines in which pyright finds mistakes, strictly."""
    program = npm_packages.file("pyright/index.js")
    shutil.copy(file, tmp_path)
    config = tmp_path / "pyrightconfig.json"
    settings = {
        "include": [file.name],
        "typeCheckingMode": "strict",
        "extraPaths": [str(ROOT)],
        "pythonVersion": "3.11",
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    done = subprocess.run(
        ["node", str(program), "--project", str(config), "--pythonpath", sys.executable, "--outputjson"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["summary"]["filesAnalyzed"] == 1
    found = said["generalDiagnostics"]
    return sorted(one["range"]["start"]["line"] + 1 for one in found if one["severity"] == "error")


CHECKERS = [pytest.param(mypy, id="mypy"), pytest.param(pyright, id="pyright")]


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_right_code_has_no_finding(checker: object, tmp_path: Path) -> None:
    """What the documentation tells owners to write is right to a strict checker."""
    assert callable(checker)
    assert checker(USER / "edges.py", tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_mistakes_are_found(checker: object, tmp_path: Path) -> None:
    """No type is `Any`: a wrong application, a wrong id and a write to a frozen value are found."""
    assert callable(checker)
    lines = (USER / "mistakes.py").read_text(encoding="utf-8").splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if "  #" in line}
    assert set(checker(USER / "mistakes.py", tmp_path)) == wrong
