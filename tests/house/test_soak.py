"""The soak test: a short run finds nothing, and growth is reported."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

import pytest

from benchmarks import soak


def run(
    before: Mapping[str, float],
    after: Mapping[str, float],
    samples: Sequence[float] = (),
    wrong: Mapping[str, int] | None = None,
) -> soak.Soak:
    """Return a run of 30 minutes with these figures."""
    plain = {"minutes": 30.0, "requests": 9, "memory": 100.0, "files": 20, "threads": 8}
    found = soak.Soak("gunicorn")
    found.quiet = [soak.Sample(**{**plain, **figures}) for figures in (before, after)]  # type: ignore[arg-type]
    found.samples = [soak.Sample(float(minute), 9, memory, 20, 8) for minute, memory in enumerate(samples)]
    found.wrong.update(wrong or {})
    return found


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (run({}, {}), []),
        (run({}, {"memory": 111.0}), []),
        (run({}, {"memory": 113.5}), ["memory grew by 13.5 MB"]),
        (run({}, {"memory": 90.0, "files": 19, "threads": 7}), []),
        (run({}, {"files": 21}), ["1 files were left behind"]),
        (run({}, {"threads": 10}), ["2 threads were left behind"]),
        (run({"minutes": 0.1}, {"minutes": 0.3, "threads": 16}), []),
        (run({"minutes": 0.1}, {"minutes": 0.3, "threads": 17}), ["9 threads were left behind"]),
        (run({}, {}, [100 + minute * 0.5 for minute in range(30)]), ["memory rises by 30.0 MB an hour"]),
        (run({}, {}, [100 + min(minute, 10) for minute in range(30)]), []),
        (run({}, {}, [100 + minute % 3 * 4 for minute in range(30)]), []),
        (run({}, {}, (), {"leaves": 2, "looks at a page": 0}), ["2 x an unexpected answer: leaves"]),
    ],
)
def test_what_has_grown_is_told(found: soak.Soak, told: list[str]) -> None:
    """Memory within its limit, filled caches, and pools in a short run do not count as growth; the rest does."""
    assert soak.problems(found) == told


@pytest.mark.slow
def test_a_short_soak_leaves_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    """A few seconds of every kind of visitor, on WSGI and ASGI, leave no resources behind."""
    assert soak.main(["--minutes", "0.3", "--rate", "10"]) == 0, capsys.readouterr().out
    shown = capsys.readouterr().out
    assert [name in shown for name in ("gunicorn, before", "gunicorn, after", "uvicorn, after")] == [True] * 3
