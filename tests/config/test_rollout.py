"""The settings for a changed question that takes effect at a stated time."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.core.model import Site
from consent_mw.errors import ConfigError

LATER = "2999-01-01T06:00:00Z"
OVER = "2001-01-01T06:00:00+02:00"
OLD = '[[services]]\nuse = "youtube"\n'


def load(folder: Path, site: str, old: str | None = OLD) -> Site:
    """Load a site whose question changes, from files in a folder."""
    if old is not None:
        (folder / "old.toml").write_text(old, encoding="utf-8")
    (folder / "new.toml").write_text(f'[site]\n{site}\n[[services]]\nuse = "vimeo"\n', encoding="utf-8")
    return config.load(folder / "new.toml")


def test_the_question_before_is_read_from_its_own_file(tmp_path: Path) -> None:
    """Both questions are loaded, each with its own services, and forms state their question."""
    site = load(tmp_path, f'takes_effect = {LATER}\nuntil_then = "old.toml"')
    assert site.before is not None
    assert [one.id for one in (*site.before.services, *site.services)] == ["youtube", "vimeo"]
    assert (site.asked, site.before.asked) == (site.revision[:8], site.before.revision[:8])


def test_the_file_before_may_go_once_the_time_is_past(tmp_path: Path) -> None:
    """If the owner leaves the two settings in place, the site asks the new question."""
    site = load(tmp_path, f'takes_effect = {OVER}\nuntil_then = "old.toml"', old=None)
    assert (site.takes_effect, site.before) == (978_321_600, None)


@pytest.mark.parametrize(
    ("site", "old", "where", "what"),
    [
        (f"takes_effect = {LATER}", OLD, "takes_effect", "It says when the question changes, and not what is asked"),
        ('until_then = "old.toml"', OLD, "until_then", "It says what is asked until the question changes, and not"),
        ('takes_effect = 2999-01-01\nuntil_then = "old.toml"', OLD, "takes_effect", "This is a date, not a date with"),
        ('takes_effect = "soon"\nuntil_then = "old.toml"', OLD, "takes_effect", "'soon' is not a date with a time."),
        ('takes_effect = 7\nuntil_then = "old.toml"', OLD, "takes_effect", "This is a number, not a date with a time."),
        (
            'takes_effect = 2999-01-01T00:00:00\nuntil_then = "old.toml"',
            *(OLD, "takes_effect", "The time has no offset, so it would differ between machines."),
        ),
        (f'takes_effect = {LATER}\nuntil_then = "old.toml"', None, "until_then", "There is no such file."),
        (
            f'takes_effect = {LATER}\nuntil_then = "old.toml"',
            *(
                '[site]\nname = "Shop"\n',
                "until_then",
                "site.name differs between the two files, but they are one site.",
            ),
        ),
        (
            f'takes_effect = {LATER}\nuntil_then = "new.toml"',
            *(OLD, "until_then", "The configuration before a change waits for a time itself."),
        ),
    ],
)
def test_a_mistake_in_the_change_is_told(tmp_path: Path, site: str, old: str | None, where: str, what: str) -> None:
    """The error names the setting, at start-up."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, site, old)
    assert any(f"site.{where}" in one.where and what in one.what for one in caught.value.problems), caught.value
