"""Names of cookies and storage keys are matched by globs in linear time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.globs import Globs
from consent_mw.core.globs import fits
from tests.growth import MOST
from tests.growth import growth

_TEXT = st.text(alphabet="ab*_\n", max_size=12)


@given(glob=_TEXT, name=_TEXT)
def test_a_glob_means_what_the_regular_expression_with_the_same_stars_means(glob: str, name: str) -> None:
    """One look from left to right gives the answer that backtracking would."""
    wanted = re.fullmatch(".*".join(map(re.escape, re.sub(r"\*+", "*", glob).split("*"))), name, re.DOTALL)
    assert fits(glob, name) == (wanted is not None)


@given(globs=st.lists(_TEXT, max_size=8), name=_TEXT)
def test_many_globs_are_each_of_them(globs: list[str], name: str) -> None:
    """The look-up by beginnings finds exactly the globs that fit."""
    assert set(Globs((glob, glob) for glob in globs).values(name)) == {glob for glob in globs if fits(glob, name)}


def test_the_name_itself_comes_before_the_globs_that_it_fits() -> None:
    """A service that names the cookie outright is named first."""
    assert Globs([("_ga*", "wide"), ("_ga_1", "own"), ("*", "any")]).values("_ga_1") == ["own", "any", "wide"]


@pytest.mark.parametrize("glob", ["*".join("a" * 12) + "b", "**" * 200 + "b", "*ab" * 40])
def test_many_stars_cost_no_more_than_the_length_of_the_name(glob: str) -> None:
    """The cost grows with the name alone; a backtracking pattern would take hours for a hundred thousand letters."""
    assert not fits(glob, "a" * 100_000)
    assert growth(lambda length: "a" * length, lambda name: fits(glob, name), 12_500) < MOST
