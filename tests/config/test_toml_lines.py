"""The scanner finds the line of every key and item that the standard parser finds."""

from __future__ import annotations

import json
import string
import tomllib
from collections.abc import Iterator
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.config.toml_lines import Path
from consent_mw.config.toml_lines import toml_lines

TEXT = '''\
# [site] in a comment
top = 1   # trailing
[site]
name = "a # b [c]"
"quoted \\u0041.key" = 'it'
notes = """
name = "not a key" ""
[[services]]
"""
raw = \'\'\'
x = ['not', 'an array']\'\'\'
when = 1979-05-27 07:32:00

[purposes.analytics]
label.en = "Statistics"

[[services]]
use = "one"
[[services]]
id = "two"
hosts = [
    "a.example",  # first
    # nothing
    "b.example",
    "c.example"]
description = { en = "x", de = "}" }
[services.extra]
deep = [[1, 2], [
  3]]
[[services.rules]]
a = 1
[[services.rules]]
a.b = 2
'''


def paths(value: object, at: Path = ()) -> Iterator[Path]:
    """Yield the path of everything inside a parsed document."""
    pairs: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, inner in pairs:
        yield (*at, key)
        yield from paths(inner, (*at, key))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("site",), 3),
        (("site", "name"), 4),
        (("site", "quoted A.key"), 5),
        (("site", "notes"), 6),
        (("site", "raw"), 10),
        (("site", "when"), 12),
        (("purposes",), 14),
        (("purposes", "analytics", "label", "en"), 15),
        (("services", 0), 17),
        (("services", 0, "use"), 18),
        (("services", 1), 19),
        (("services", 1, "hosts"), 21),
        (("services", 1, "hosts", 0), 22),
        (("services", 1, "hosts", 1), 24),
        (("services", 1, "hosts", 2), 25),
        (("services", 1, "description", "de"), 26),
        (("services", 1, "extra", "deep", 1, 0), 29),
        (("services", 1, "rules", 1, "a", "b"), 33),
    ],
)
def test_the_line_of_a_key(path: Path, line: int) -> None:
    """Comments, strings of every kind, arrays and tables do not disturb the count."""
    assert toml_lines(TEXT)[path] == line


def test_windows_line_ends_count_once() -> None:
    """A text with CR LF has the same lines."""
    assert toml_lines("a = 1\r\nb = [\r\n2]\r\n") == {("a",): 1, ("b",): 2, ("b", 0): 3}


def test_the_catalogue_has_a_line_for_everything() -> None:
    """No key of a real file is missing."""
    folder = resources.files("consent_mw.catalogue")
    for file in sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml")):
        text = folder.joinpath(file).read_text(encoding="utf-8")
        assert set(paths(tomllib.loads(text))) <= set(toml_lines(text)), file


KEYS = st.text(alphabet=string.ascii_letters + "-_ .#[]\"'é", min_size=1, max_size=5)
LEAVES = st.one_of(
    st.integers(-9, 9),
    st.booleans(),
    st.text(alphabet="ab#[]{}=,.\"'\\\n ", max_size=8),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


def written(value: object, draw: st.DrawFn) -> str:
    """Write ``value`` as TOML in one of the valid forms."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key(name, draw)} = {written(inner, draw)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        gap = st.sampled_from(["", " ", "\n", " # ],\n"])
        return "[" + ",".join(f"{draw(gap)}{written(inner, draw)}{draw(gap)}" for inner in value) + "]"
    if isinstance(value, str):
        ways = [json.dumps(value), f'"""\n{json.dumps(value)[1:-1]}"""']
        if "'" not in value and "\n" not in value:
            ways.append(f"'{value}'")
        if "'''" not in value and not value.endswith("'"):
            ways.append(f"'''\n{value}'''")
        return draw(st.sampled_from(ways))
    return json.dumps(value)


def key(name: str, draw: st.DrawFn) -> str:
    """Write a key quoted, or bare if that is valid."""
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    ways = [json.dumps(name)] + ([name] if bare else []) + ([f"'{name}'"] if "'" not in name else [])
    return draw(st.sampled_from(ways))


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Draw a TOML text with plain keys, a table and an array of tables."""
    lines: list[str] = []
    for header in ("", "[one.two]", "[[three]]", "[[three]]", "[three.four]", "[[three.five]]"):
        lines.append(header)
        for name, value in draw(st.dictionaries(KEYS, VALUES, max_size=2)).items():
            if name not in ("one", "three", "four", "five"):
                lines.append(f"{key(name, draw)} = {written(value, draw)}")
    return "\n".join(lines)


@given(documents())
def test_every_path_of_the_parser_has_a_line(text: str) -> None:
    """For any text that the standard parser reads, the scanner has a line for each key and item, and no others."""
    assert set(toml_lines(text)) == set(paths(tomllib.loads(text)))


@given(st.text(alphabet="a=[]{}\"'#,. \n\\1", max_size=40))
def test_no_text_is_too_broken(text: str) -> None:
    """On any text, the scanner terminates without an exception."""
    assert all(1 <= line <= text.count("\n") + 1 for line in toml_lines(text).values())
