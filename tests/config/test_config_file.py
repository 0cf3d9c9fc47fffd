"""A configuration file that is edited in place: its history, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.config import load
from consent_mw.config.config_file import ConfigFile
from consent_mw.config.config_file import FileChanged
from consent_mw.config.config_file import NotWritable
from consent_mw.config.editable import between
from consent_mw.config.toml_edit import Edit
from consent_mw.config.toml_edit import applied
from consent_mw.config.toml_edit import edited
from consent_mw.errors import ConfigError

TEXT = '# Ours.\n[site]\nname = "A"\nlayout = "bar"\n'
CARD = [Edit(("site", "layout"), "corner")]


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    """Return a file with a comment and two settings."""
    path = tmp_path / "consent.toml"
    path.write_text(TEXT, encoding="utf-8")
    path.chmod(0o640)
    return ConfigFile(path)


def test_a_change_is_in_the_file_and_in_its_history(file: ConfigFile) -> None:
    """The history says who changed what; the file keeps its mode, and nothing else is left in the folder."""
    old = file.read()
    file.write(old.with_edits(CARD), old.digest, "ada")
    assert (load(file.path).layout, os.stat(file.path).st_mode & 0o777) == ("corner", 0o640)
    (change,) = file.changes()
    assert (change.by, change.before.text, change.after.text) == ("ada", TEXT, TEXT.replace("bar", "corner"))
    assert {one.name for one in Path(file.path).parent.iterdir()} == {"consent.toml", "consent.toml.history"}
    assert os.stat(file.folder).st_mode & 0o077 == 0


def test_what_would_fail_at_start_is_not_written(file: ConfigFile) -> None:
    """The file and its history stay as they are."""
    old = file.read()
    with pytest.raises(ConfigError, match="'up' is not known here"):
        file.write(old.with_edits([Edit(("site", "layout"), "up")]), old.digest, "ada")
    assert (file.read().text, file.changes()) == (TEXT, [])


def test_a_change_for_another_text_is_not_written(file: ConfigFile) -> None:
    """Of two editors who start from the same text, the second one is told."""
    old = file.read()
    file.write(old.with_edits(CARD), old.digest, "ada")
    with pytest.raises(FileChanged):
        file.write(old.with_edits([Edit(("site", "layout"), "dialog")]), old.digest, "bob")
    assert load(file.path).layout == "corner"


def test_a_linked_file_is_written_where_it_is(file: ConfigFile, tmp_path: Path) -> None:
    """A link stays a link."""
    link = tmp_path / "elsewhere.toml"
    link.symlink_to(file.path)
    linked = ConfigFile(link)
    linked.write(linked.read().with_edits(CARD), linked.read().digest, "ada")
    assert link.is_symlink()
    assert load(file.path).layout == "corner"


def test_a_file_that_cannot_be_written_is_named(file: ConfigFile) -> None:
    """The message says what the process needs."""
    file.folder.write_text("in the way", encoding="utf-8")
    old = file.read()
    with pytest.raises(NotWritable, match="write permission"):
        file.write(old.with_edits(CARD), old.digest, "ada")
    assert file.read().text == TEXT


def test_the_history_is_bounded(file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest change gives way to the newest, and their order is that of the changes."""
    monkeypatch.setattr("consent_mw.config.config_file.MOST_CHANGES", 2)
    for layout in ("corner", "dialog", "bar"):
        old = file.read()
        file.write(old.with_edits([Edit(("site", "layout"), layout)]), old.digest, "ada")
    assert [load_layout(one.after.text) for one in file.changes()] == ["bar", "dialog"]


def load_layout(text: str) -> str:
    """Return the layout in a text."""
    return text.partition('layout = "')[2].partition('"')[0]


def test_a_damaged_entry_of_the_history_is_left_out(file: ConfigFile) -> None:
    """No name outside of the history is read."""
    old = file.read()
    file.write(old.with_edits(CARD), old.digest, "ada")
    (file.folder / "20990101T000000000000Z.json").write_text("{", encoding="utf-8")
    assert len(file.changes()) == 1
    assert file.change("../consent") is None


TEXTS = st.dictionaries(
    st.sampled_from(["en", "de"]),
    st.dictionaries(st.sampled_from("xyz"), st.text("ab", max_size=2), min_size=1),
    max_size=2,
)
LABEL = st.one_of(
    st.text("ab", min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(["en", "de"]), st.text("ab", min_size=1), min_size=1),
)
SERVICES = st.lists(
    st.fixed_dictionaries(
        {"use": st.sampled_from("abcd")}, optional={"purposes": st.lists(st.sampled_from("pq")), "description": LABEL}
    ),
    max_size=3,
    unique_by=lambda one: str(one["use"]),
)
CONFIGS = st.fixed_dictionaries(
    {"site": st.fixed_dictionaries({"id": st.just("x")}, optional={"layout": st.sampled_from("kl")})},
    optional={
        "texts": TEXTS,
        "services": SERVICES,
        "purposes": st.dictionaries(
            st.sampled_from("pq"), st.fixed_dictionaries({}, optional={"label": LABEL}), max_size=2
        ),
        "links": st.lists(st.fixed_dictionaries({"url": st.sampled_from("rs"), "label": LABEL}), max_size=2),
    },
)


@given(CONFIGS, CONFIGS)
def test_the_edits_between_two_configurations_lead_from_one_to_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Made in the text of the first, they give the settings of the second; of services their order aside."""
    text = edited("", between({}, before))
    edits = between(before, after)
    assert _comparable(applied(edits, before)) == _comparable(after)
    assert between(after, applied(edits, before)) == []
    assert edited(text, edits) is not None


def _comparable(tables: Any) -> Any:
    if isinstance(tables, dict):
        inner = {key: _comparable(one) for key, one in tables.items()}
        return {key: one for key, one in inner.items() if one not in ({}, [])}
    if isinstance(tables, list):
        return sorted((_comparable(one) for one in tables), key=lambda one: json.dumps(one, sort_keys=True))
    return tables


def test_other_settings_are_left_alone() -> None:
    """Neither stores nor keys nor functions are among what an editor may change."""
    before = {"site": {"records": "sqlite:///a.db", "on_change": "a:b"}, "stats": {"token": "a"}, "hosts": {"a": "b"}}
    assert between(before, {}) == []
    assert between({}, before) == []
