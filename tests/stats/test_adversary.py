"""The one who looks for small groups finds them where they are: otherwise the other tests would show nothing."""

from __future__ import annotations

import pytest

from consent_mw.core.counts import Figures
from tests.stats.adversary import findings

_ANSWERS = {"accept": 50, "partial": 20, "reject": 30, "unanswered": 100}


def _answers(first: int, last: int, **cells: int) -> Figures:
    return Figures("answers", first, last, {("", column): number for column, number in (_ANSWERS | cells).items()})


def _table(name: str, first: int, last: int, **rows: int) -> Figures:
    return Figures(name, first, last, {(row.replace("_", "-"), "asked"): number for row, number in rows.items()})


@pytest.mark.parametrize(
    "figures",
    [
        [_answers(1, 1, partial=9)],
        [_answers(1, 1), _table("browser", 1, 1, chrome=100, firefox=95)],
        [_answers(1, 1), _answers(2, 2), _table("language", 1, 2, en=395)],
        [_table("os", 1, 1, ios=60, macos=40, other=100), _table("browser", 1, 1, safari=95, other=105)],
        [_table("os", 1, 1, ios=60, other=140), _table("browser", 1, 1, safari=195, other=5 + 95)],
        [_table("signal", 1, 1, gpc=25, none=175), _table("browser", 1, 1, brave=20, other=180)],
        [_table("browser", 1, 7, chrome=100), _table("browser", 1, 8, chrome=105)],
        [_answers(1, 1), Figures("beside", 1, 1, {("", "opened"): 25})],
        [_answers(1, 1), _answers(2, 2), Figures("beside", 2, 2, {("1", "opened"): 195})],
        [
            Figures("purpose", 1, 1, {
                (f"p{at}", column): number
                for at, some in enumerate((20, 17, 18))
                for column, number in (("accept", 50), ("partial", some), ("partial_without", 50 - some))
            })
        ],
    ],
    ids=[
        "small cell",
        "rows and total",
        "two days",
        "browser and systems",
        "browser and others",
        "browser and signal",
        "overlap",
        "partial answers and open choices",
        "open choices and answers",
        "purposes",
    ],
)  # fmt: skip
def test_a_small_group_is_found(figures: list[Figures]) -> None:
    """Figures that tell of fewer than ten are seen to do so."""
    assert findings(figures, 3) != []


def test_figures_that_tell_of_nobody_are_passed() -> None:
    """Figures without a small group give no finding."""
    figures = [_answers(1, 1), _answers(2, 2), _table("browser", 1, 2, chrome=300, other=100)]
    figures.append(Figures("beside", 1, 2, {("", "opened"): 60}))
    assert findings(figures, 3) == []
