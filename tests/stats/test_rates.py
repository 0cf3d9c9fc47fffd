"""Shares and their intervals are those of the papers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.stats.rates import change
from consent_mw.stats.rates import wilson


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        # R. G. Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_the_interval_of_a_share_is_wilsons(count: int, of: int, low: float, high: float) -> None:
    """The ends agree with the published ones in all digits that were published."""
    rate = wilson(count, of)
    assert rate is not None
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)


@pytest.mark.parametrize(
    ("after", "before", "low", "high"),
    [
        # R. G. Newcombe, Interval estimation for the difference between independent proportions (1998), table II,
        # method 10.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((5, 56), (0, 29), -0.0381, 0.1926),
    ],
)
def test_the_interval_of_a_change_is_newcombes(
    after: tuple[int, int], before: tuple[int, int], low: float, high: float
) -> None:
    """The ends agree with the published ones, in points."""
    found = change(wilson(*after), wilson(*before))
    assert found is not None
    assert (round(found.low / 100, 4), round(found.high / 100, 4)) == (low, high)


@given(of=st.integers(1, 10**7), share=st.floats(0, 1))
def test_a_share_lies_in_its_interval(of: int, share: float) -> None:
    """Whatever is counted, 0 <= low <= share <= high <= 1."""
    rate = wilson(round(share * of), of)
    assert rate is not None
    assert 0 <= rate.low <= rate.share <= rate.high <= 1


def test_nothing_has_no_share() -> None:
    """Of nobody there is no rate, and no change from or to it."""
    assert wilson(0, 0) is None
    assert change(wilson(1, 2), None) is None


def test_more_than_all_is_refused() -> None:
    """A count that is no part of its whole is an error, not a rate over 100%."""
    with pytest.raises(ValueError, match="11 of 10"):
        wilson(11, 10)


def test_a_change_within_its_noise_is_not_certain() -> None:
    """Ten answers more or less prove nothing; ten thousand do."""
    few, many = change(wilson(6, 10), wilson(5, 10)), change(wilson(6000, 10000), wilson(5000, 10000))
    assert few is not None and many is not None
    assert (few.certain, many.certain) == (False, True)
