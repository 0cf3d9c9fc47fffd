"""The fuzz targets pass on their seeds, on everything they ever found, and on a few random inputs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fuzz
from fuzz import grammar
from fuzz import targets
from tests.html import rewriting

ROOT = Path(__file__).resolve().parents[2]
KNOWN = [
    pytest.param(name, data, id=f"{name}-{place}")
    for name in targets.TARGETS
    for place, data in [
        *((f"seed-{number}", seed) for number, seed in enumerate(targets.SEEDS[name])),
        *((path.name, path.read_bytes()) for path in sorted((ROOT / "fuzz" / "regressions" / name).glob("*"))),
    ]
]


@pytest.mark.parametrize(("name", "data"), KNOWN)
def test_a_known_input_is_no_finding(name: str, data: bytes) -> None:
    """What was found once stays mended."""
    targets.TARGETS[name](data)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_a_random_input_is_no_finding(name: str) -> None:
    """The target holds for whatever Hypothesis thinks of."""

    @given(st.binary(max_size=64))
    def check(data: bytes) -> None:
        targets.TARGETS[name](data)

    check()


def test_a_page_that_leaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rewriter that holds nothing does not pass."""
    monkeypatch.setattr(targets, "_rewritten", lambda page, cuts: page)
    monkeypatch.setattr(rewriting, "without_insertions", lambda page: (page, page))
    with pytest.raises(AssertionError, match="left with scripts"):
        targets.page(bytes([next(at for at, piece in enumerate(grammar.PIECES) if b"<img src" in piece)]))


def test_every_target_can_be_named_on_the_command_line() -> None:
    """``python -m fuzz`` knows the targets without importing them."""
    assert set(fuzz.NAMES) == set(targets.TARGETS)


def test_every_regression_belongs_to_a_target() -> None:
    """No file lies where nobody reads it."""
    assert {path.name for path in (ROOT / "fuzz" / "regressions").glob("*") if path.is_dir()} <= set(targets.TARGETS)
