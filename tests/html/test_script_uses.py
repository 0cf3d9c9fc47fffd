"""Functions with a vendor's snippet and the site's own code that other statements use by their names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.html.cutting import LOAD
from tests.html.cutting import MENU
from tests.html.cutting import cut
from tests.html.cutting import plain
from tests.html.cutting import rewritten

BOTH = "menu();" + LOAD
#: Scripts with a function that is used by its name, and their parts without semicolons.
NAMED = [
    (
        "function go() {%s} addEventListener('load', go);",
        ["function go() {menu()} addEventListener('load', go)", "-addEventListener('load', function go() {LOAD})"],
    ),
    # A function can be used before its declaration.
    (
        "window.onload = go; function go(e) {%s}",
        ["function go(e) {menu()} window.onload = go", '-window.addEventListener("load", function go(e) {LOAD})', ""],
    ),
    (
        "$(document).ready(go); $(go); async function go() {%s}",
        [
            "async function go() {menu()} $(document).ready(go)",
            "-$(document).ready(async function go() {LOAD})",
            "$(go)",
            "-$(async function go() {LOAD})",
            "",
        ],
    ),
    (
        "'use strict'; a(); go(document, 1); function go(d) {%s} b();",
        ["'use strict' function go(d) {menu()} a() go(document, 1)", "-(function go(d) {LOAD})(document, 1)", "b()"],
    ),
    ("const go = () => {%s}; go();", ["const go = () => {menu()} go()", "-(() => {LOAD})()"]),
    (
        "var go = function () {%s}; setTimeout(go, 9);",
        ["var go = function () {menu()} setTimeout(go, 9)", "-setTimeout(function () {LOAD}, 9)"],
    ),
    (
        "$(function () { go(); function go() {%s} });",
        ["$(function () { function go() {menu()} go() })", "-$(function () { (function go() {LOAD})() })"],
    ),
]


@pytest.mark.parametrize(("code", "parts"), NAMED, ids=lambda one: str(one)[:40])
def test_a_function_with_both_is_divided_where_its_name_is_used(code: str, parts: list[str]) -> None:
    """The function keeps the own statements; what uses it by its name is there twice, once with the vendor's."""
    found = cut(code.replace("%s", BOTH))
    assert found is not None
    assert list(map(plain, found)) == [plain(part.replace("LOAD", LOAD)) for part in parts]


@pytest.mark.parametrize(
    "uses",
    [
        "",
        "function b() { go() }",
        "addEventListener('load', function () { other(go) });",
        "window.go();",
        "go(next());",
        "var a = go() + 1;",
        "removeEventListener('load', go);",
        "go(go);",
        "each(list, go);",
        "go.call(this);",
        "go();" * 5,
    ],
)
def test_a_function_whose_uses_are_not_all_known_is_held(uses: str) -> None:
    """Nobody knows when it would run; the rest of the script goes on."""
    parts = cut("function go() {" + BOTH + "} " + uses + MENU)
    assert parts is not None
    assert parts[0] == "-function go() {" + BOTH + "}"
    parts = cut("function go() { setTimeout(go, 9);" + BOTH + "} go();" + MENU)
    assert parts is not None
    assert parts[0].startswith("-function go() { setTimeout(go, 9);")


USES = [
    MENU,
    "function go() {" + BOTH + "}",
    "var later = () => {" + BOTH + "};",
    "go();",
    "addEventListener('load', go);",
    "later();",
    "onload = later;",
    "go(later);",
    "x = 1;",
]


@given(st.lists(st.sampled_from(USES), max_size=7), st.integers(0, 40))
def test_no_use_of_a_divided_function_loads_the_service(pieces: list[str], size: int) -> None:
    """Nor does any other part that runs, however the page is cut."""
    page = "<p><script>" + "\n".join(pieces) + "</script><p>"
    out = rewritten(page)
    assert rewritten(page, size) == out
    assert all("measure.example" not in code for code in re.findall(r"<script>(.*?)</script>", out, re.S))
