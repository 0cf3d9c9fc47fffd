"""
Files of the packages that ``.ci/npm`` installs from ``tests/npm/package-lock.json``.

    npm_packages.text("axe-core/axe.min.js")

skips the calling test if the package is missing. Measurements, which are not tests, use :func:`find` and leave out
their rows.
"""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "npm" / "node_modules"


def find(name: str) -> Path | None:
    """Return the path of a file of a package, or None: ``axe-core/axe.min.js``, ``@picocss/pico/css/pico.css``."""
    path = FOLDER / name
    return path if path.is_file() else None


def file(name: str) -> Path:
    """Return the path of a file of a package; skip the test if it is missing."""
    path = find(name)
    if path is None:
        import pytest

        pytest.skip(f"no {name} under tests/npm: run .ci/npm (it needs npm)")
    return path


def text(name: str) -> str:
    """Return the text of a file of a package; skip the test if it is missing."""
    return file(name).read_text(encoding="utf-8")


def version(package: str) -> str:
    """Return the installed version of a package; skip the test if it is missing."""
    return str(json.loads(text(f"{package}/package.json"))["version"])
