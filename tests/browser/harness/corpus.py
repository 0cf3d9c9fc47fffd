"""
Locates the cases: the project's own next to the tests, and those of the test corpus if there is one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
OWN_PAGES = REPOSITORY / "tests" / "browser" / "pages"
OWN_TRAPS = REPOSITORY / "tests" / "vectors" / "traps.json"


def find_corpus() -> Path | None:
    """Return the folder of the test corpus, or None."""
    for place in (os.environ.get("CONSENT_MW_CORPUS"), REPOSITORY.parent / "shared" / "corpus"):
        if place and (Path(place) / "traps" / "traps.json").is_file():
            return Path(place)
    return None


def corpus() -> Path:
    """Return the folder of the test corpus; skip the test if there is none."""
    found = find_corpus()
    if found is None:
        pytest.skip("test corpus absent: set CONSENT_MW_CORPUS to the folder that holds traps/traps.json")
    return found
