"""Every generated file is up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import npm_packages

ROOT = Path(__file__).resolve().parents[2]
GENERATORS = re.findall(r"tools\.\w+", re.findall(r"^GENERATORS := (.*)$", (ROOT / "Makefile").read_text(), re.M)[0])


def check(program: str) -> subprocess.CompletedProcess[str]:
    """Run a generator with ``--check``."""
    command = [sys.executable, "-m", program, "--check"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("program", GENERATORS)
def test_what_is_generated_is_up_to_date(program: str) -> None:
    """``--check`` finds no difference."""
    if program == "tools.build_scripts":
        npm_packages.version("terser")  # skips where it is not installed
    done = check(program)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_program_with_a_check_is_asked() -> None:
    """Every generator in tools/ that supports ``--check`` is in the list of ``make generated-check``."""
    knowing = {f"tools.{path.stem}" for path in (ROOT / "tools").glob("*.py") if '"--check"' in path.read_text()}
    assert knowing == set(GENERATORS)
