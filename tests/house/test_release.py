"""The check before a release: the tag, the version and the changelog agree."""

from __future__ import annotations

import pytest

from tools.release_check import problems

PROJECT = '[project]\nversion = "1.2.3"\n'
CHANGELOG = "# Changelog\n\n## [1.2.3] - 2026-11-29\n"


def test_a_release_whose_parts_agree_passes() -> None:
    """There is no problem if the tag, the version and a dated entry agree."""
    assert problems("v1.2.3", PROJECT, CHANGELOG) == []


@pytest.mark.parametrize(
    ("tag", "changelog", "remedy"),
    [
        ("v1.2.4", CHANGELOG, "tag it as v1.2.3"),
        ("1.2.3", CHANGELOG, "tag it as v1.2.3"),
        ("v1.2.3", "## [1.2.3] - unreleased\n", "write '## [1.2.3] - YYYY-MM-DD'"),
        ("v1.2.3", "## [1.2.30] - 2026-11-29\n", "write '## [1.2.3] - YYYY-MM-DD'"),
    ],
)
def test_a_release_whose_parts_differ_is_refused(tag: str, changelog: str, remedy: str) -> None:
    """A difference is reported with its remedy."""
    (problem,) = problems(tag, PROJECT, changelog)
    assert remedy in problem
