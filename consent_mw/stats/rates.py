"""Shares, with their confidence intervals, and differences that may be looked at any number of times."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from math import sqrt

#: The quantile of the normal distribution that leaves 2.5% on either side.
Z = 1.959963984540054
#: The standard deviation of the differences that :func:`always_valid` is most sensitive to: five points.
_EXPECTED = 0.05


@dataclass(frozen=True, slots=True)
class Rate:
    """
    A share, with its 95% Wilson score interval.

    Args:
        count: The numerator, at most ``of``.
        share, low, high: Between 0 and 1.
    """

    count: int
    of: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RateChange:
    """
    The change of a share in percentage points, with its 95% interval by Newcombe's hybrid score.

    Args:
        points: After minus before.
        low, high: The ends of the interval.
    """

    points: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether the change is significant: its interval excludes zero."""
        return self.low > 0 or self.high < 0


def wilson(count: int, of: int) -> Rate | None:
    """
    Return the rate of ``count`` in ``of`` (E. B. Wilson 1927); None if ``of`` is 0.

    Raises:
        ValueError: if ``count`` is not between 0 and ``of``.
    """
    if of <= 0:
        return None
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of} is not a share")
    share = count / of
    weight = Z * Z / of
    middle = (share + weight / 2) / (1 + weight)
    reach = Z * sqrt(share * (1 - share) / of + weight / (4 * of)) / (1 + weight)
    # At the ends the exact values are known; floating point would be slightly off.
    low = 0.0 if count == 0 else max(0.0, middle - reach)
    high = 1.0 if count == of else min(1.0, middle + reach)
    return Rate(count, of, share, low, high)


def change(after: Rate | None, before: Rate | None) -> RateChange | None:
    """Return the change between two rates of different visits (R. G. Newcombe 1998, method 10), or None."""
    if after is None or before is None:
        return None
    points = after.share - before.share
    down = sqrt((after.share - after.low) ** 2 + (before.high - before.share) ** 2)
    up = sqrt((after.high - after.share) ** 2 + (before.share - before.low) ** 2)
    return RateChange(100 * points, 100 * (points - down), 100 * (points + up))


def always_valid(other: Rate, standard: Rate, comparisons: int = 1) -> RateChange:
    """
    Return the difference of two rates with a 95% confidence sequence, by the mixture sequential probability ratio test.

    A confidence interval is valid for one look at the data, at a time chosen in advance. Somebody who looks every day
    and stops at the first difference will find a false one in far more than 5% of all cases. A confidence sequence is
    valid for all looks together (R. Johari, L. Pekelis, D. Walsh 2015, after H. Robbins 1970), and therefore wider.

    Args:
        other: The rate of another wording.
        standard: That of the site's own words.
        comparisons: The number of such differences shown side by side, for which the level is corrected (Bonferroni).
    """
    # Half a visit is added on each side, since the variance of rates near 0 and 1 would otherwise vanish.
    shares = [(rate.count + 0.5) / (rate.of + 1) for rate in (other, standard)]
    variance = sum(share * (1 - share) / rate.of for share, rate in zip(shares, (other, standard), strict=True))
    prior = _EXPECTED**2
    reach = sqrt(
        variance * (variance + prior) / prior * (2 * log(20 * comparisons) + log((variance + prior) / variance))
    )
    points = other.share - standard.share
    return RateChange(100 * points, 100 * max(-1.0, points - reach), 100 * min(1.0, points + reach))
