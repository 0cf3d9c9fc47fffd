"""Edits of single settings in a TOML text: nothing else changes, and comments stay where they were."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.config.toml_edit import Edit
from consent_mw.config.toml_edit import UneditableText
from consent_mw.config.toml_edit import applied
from consent_mw.config.toml_edit import edited

FILE = """# My site.
[site]
name = "A"   # our name

[theme]
main = "#0b5d3b"  # green

# What the statistics people asked for.
[[services]]
use = "a"

# Videos, since spring.
[[services]]
use = "b"
description.en = "x"

# The words.
[texts.de]
banner.title = "Hallo"
"""


def test_a_value_is_replaced_where_it_stands() -> None:
    """The comment behind a value stays."""
    made = edited(FILE, [Edit(("theme", "main"), "#112233")])
    assert made == FILE.replace('"#0b5d3b"', '"#112233"')


def test_a_new_key_follows_the_last_one_of_its_table() -> None:
    """It stands before the blank line and the comment about the next table."""
    made = edited(FILE, [Edit(("theme", "brand"), "#ff0000")])
    assert made == FILE.replace("# green\n", '# green\nbrand = "#ff0000"\n')


def test_a_new_table_follows_its_family() -> None:
    """``[theme.dark]`` stands behind ``[theme]``, and a language behind the others."""
    made = edited(FILE, [Edit(("theme", "dark", "brand"), "#ff0000"), Edit(("texts", "fr", "banner.title"), "Oui")])
    assert '# green\n\n[theme.dark]\nbrand = "#ff0000"\n\n# What' in made
    assert made.endswith('"Hallo"\n\n[texts.fr]\n"banner.title" = "Oui"\n')


def test_a_removed_service_takes_the_comment_above_it() -> None:
    """The comment about the next service stays."""
    made = edited(FILE, [Edit(("services", 0), kind="remove")])
    assert made == FILE.replace('# What the statistics people asked for.\n[[services]]\nuse = "a"\n\n', "")


def test_a_comment_on_the_whole_file_stays() -> None:
    """A comment at the start of a file is not taken for one about the first table."""
    text = '# About the file.\n[[services]]\nuse = "a"\n'
    assert edited(text, [Edit(("services", 0), kind="remove")]) == "# About the file.\n"


def test_a_new_service_follows_the_last_one() -> None:
    """Its tables of texts are written as dotted keys."""
    made = edited(FILE, [Edit(("services",), {"use": "c", "description": {"en": 'a "b"'}}, "add")])
    assert 'description.en = "x"\n\n[[services]]\nuse = "c"\ndescription.en = "a \\"b\\""\n\n# The words.' in made


@pytest.mark.parametrize(
    ("text", "edit", "expected"),
    [
        ("", Edit(("site", "layout"), "bar"), '[site]\nlayout = "bar"\n'),
        ("a = 1", Edit(("site", "layout"), "bar"), 'a = 1\n\n[site]\nlayout = "bar"\n'),
        ("theme.main = '#111'\n", Edit(("theme", "on"), "#222"), "theme.main = '#111'\ntheme.on = \"#222\"\n"),
        ("theme = { main = '#111' }\n", Edit(("theme", "on"), "x"), "theme = { main = '#111', on = \"x\" }\n"),
        ("theme = { main = '#111', on = 'x' }\n", Edit(("theme", "on"), kind="remove"), "theme = { main = '#111' }\n"),
        ("theme = { main = '#111', on = 'x' }\n", Edit(("theme", "main"), kind="remove"), "theme = { on = 'x' }\n"),
        ("[a]\nb = 1\n\n[[c]]\nd = 2\n", Edit(("c", 0), kind="remove"), "[a]\nb = 1\n"),
        ("services = []\n", Edit(("services",), {"use": "a"}, "add"), 'services = [{ use = "a" }]\n'),
        ("services = [{use='a'}]\n", Edit(("services", 0), kind="remove"), "services = []\n"),
        ("[site]\na = 1\nb = 2 # c\n", Edit(("site", "b"), kind="remove"), "[site]\na = 1\n"),
        ("[site]\r\na = 1\r\n", Edit(("site", "b"), True), "[site]\r\na = 1\r\nb = true\r\n"),
        ("\ufeff[site]\na = 1\n", Edit(("site", "a"), ["x"]), '\ufeff[site]\na = ["x"]\n'),
        ("[a]\n  b = 1\n", Edit(("a", "c"), 2), "[a]\n  b = 1\n  c = 2\n"),
        ('[a]\nb = """\nlong\n"""  # c\n', Edit(("a", "b"), "x"), '[a]\nb = "x"  # c\n'),
    ],
)
def test_every_form_of_toml(text: str, edit: Edit, expected: str) -> None:
    """Dotted keys, inline tables, Windows line ends, indents and strings of several lines are kept as they are."""
    assert edited(text, [edit]) == expected


def test_what_cannot_be_done_changes_nothing() -> None:
    """An edit that would not have its exact effect names the setting."""
    with pytest.raises(UneditableText, match=r"site\.a\.b cannot be changed here"):
        edited("[site]\na = 1\n", [Edit(("site", "a", "b"), 2)])


KEYS = st.sampled_from(["a", "b", "c.d", "é"])
VALUES = st.one_of(
    st.booleans(),
    st.integers(0, 9),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=5),
    st.lists(st.sampled_from(["x", '"', "#"]), max_size=2),
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=3)
FILES = st.fixed_dictionaries(
    {"site": TABLES, "texts": st.dictionaries(KEYS, TABLES, max_size=2), "services": st.lists(TABLES, max_size=3)}
)


def written(tables: dict[str, Any]) -> str:
    """Return the tables as a file with a comment before, behind and between everything."""
    text = edited("", [Edit(("site", key), value) for key, value in tables["site"].items()])
    text = edited(
        text,
        [Edit(("texts", lang, key), one) for lang in tables["texts"] for key, one in tables["texts"][lang].items()],
    )
    text = edited(text, [Edit(("services",), table, "add") for table in tables["services"]])
    lines = text.split("\n")
    return "\n".join(f"# {place}\n{line} # {place}" if line else line for place, line in enumerate(lines)) + "\n"


@given(FILES, KEYS, VALUES, st.sampled_from(["site", "texts", "services"]), st.booleans())
def test_an_edit_has_its_effect_and_keeps_every_comment(
    tables: dict[str, Any], key: str, value: Any, part: str, remove: bool
) -> None:
    """Whatever the file and the edit, the parser sees that edit alone, and every comment on a line of its own stays."""
    text = written(tables)
    before = tomllib.loads(text)
    if part == "services" and not before.get("services"):
        return
    path = {"site": ("site", key), "texts": ("texts", "fr", key), "services": ("services", 0, key)}[part]
    at = (
        before.get(part, {}).get("fr", {})
        if part == "texts"
        else before.get("site", {})
        if part == "site"
        else before["services"][0]
    )
    if remove and key not in at:
        return
    edit = Edit(path, kind="remove") if remove else Edit(path, value)
    made = edited(text, [edit])
    assert _without_empty(tomllib.loads(made)) == _without_empty(applied([edit], before))
    lost = {line for line in text.split("\n") if line.startswith("#")} - set(made.split("\n"))
    assert lost == set()


def _without_empty(tables: Any) -> Any:
    if isinstance(tables, dict):
        return {key: inner for key, one in tables.items() if (inner := _without_empty(one)) != {}}
    return [_without_empty(one) for one in tables] if isinstance(tables, list) else tables
