"""Objects that a script writes down, with functions that have a vendor's snippet."""

from __future__ import annotations

import pytest

from tests.html.cutting import LOAD
from tests.html.cutting import MENU
from tests.html.cutting import cut
from tests.html.cutting import plain
from tests.html.cutting import rewritten


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        (
            "var app = { menu: function () { menu() }, track: function (a) {%s} }; app.menu();",
            ["var app = { menu: function () { menu() }}", "-app.track = function (a) {LOAD}", "app.menu()"],
        ),
        (
            "const app = { async track(a) {%s}, n: [1, { b: 2 }], menu(...a) { menu('},') } }\napp.menu()",
            [
                "const app = { n: [1, { b: 2 }], menu(...a) { menu('},') } }",
                "-app.track = async function (a) {LOAD}",
                "app.menu()",
            ],
        ),
        (
            "window.app = { menu: e => { menu(e) }, track: (a, b) => {%s}, };",
            ["window.app = { menu: e => { menu(e) }, }", "-window.app.track = (a, b) => {LOAD}"],
        ),
        # A function that only calls the service stays the site's own.
        (
            "let ui = { buy() { measure('buy') }, load() {%s}, menu() { menu() } };",
            [
                "let ui = { menu() { menu() } } ui.buy = function () { measure('buy') }",
                "-ui.load = function () {LOAD}",
            ],
        ),
    ],
    ids=lambda one: str(one)[:30],
)
def test_functions_with_the_snippet_are_taken_out(code: str, parts: list[str]) -> None:
    """The rest of the object is there for who refuses; stand-ins answer calls of what is held."""
    found = cut(code.replace("%s", LOAD))
    assert found is not None
    assert list(map(plain, found)) == [plain(part.replace("LOAD", LOAD)) for part in parts]


@pytest.mark.parametrize(
    "code",
    [
        "var app = { track: function () {%s} };",
        "var app = { a: 1, track: function () {%s} };",
        "var app = { url: load('https://measure.example/'), menu() { menu() } };",
        "var app = { track: wrap(function () {%s}), menu() { menu() } };",
        "var app = { *track() {%s}, menu() { menu() } };",
        "var app = { get track() {%s}, menu() { menu() } };",
        "var app = { track() { super.track(); %s}, menu() { menu() } };",
        "var app = { track() {%s}, menu() { menu() } }, b = 1;",
        "var app = { track() {%s}, menu() { menu() }, ...base };",
    ],
)
def test_an_object_that_is_not_certain_is_held(code: str) -> None:
    """Other statements go on."""
    whole = code.replace("%s", LOAD)
    assert cut(whole) is None
    assert cut(whole + "\n" + MENU) == ["-" + whole, MENU]


def test_the_page_gets_the_object_before_what_is_held() -> None:
    """The globals of the service stand between, so the object is there to be given a stand-in."""
    code = "var app = { menu() { menu() }, track() {" + LOAD + "} }; app.menu();"
    page = f"<p><script>{code}</script>"
    out = rewritten(page)
    assert out == (
        "<p><script>var app = { menu() { menu() }};\n;</script>"
        f"[measure]<script data-cmw-held=measure type=text/plain>app.track = function () {{{LOAD}}};</script>"
        "<script> app.menu();</script>"
    )
    assert rewritten(page, 1) == out
