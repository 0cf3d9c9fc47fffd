"""Functions that a script defines for code elsewhere in the page to call."""

from __future__ import annotations

import pytest

from consent_mw.html.definitions import defined_in
from consent_mw.html.definitions import module_in
from tests.growth import MOST
from tests.growth import growth

FOUND = {
    "one function": ("function count(){ load('}') }", ("?count",)),
    "several": ("function a(){}\nvar b = function(){};\nwindow.c = () => { x() }", ("?a", "?b", "?c")),
    "constants": ("const a = () => { x() }; let b = x => { y(x) }", ("?a", "+b")),
    "comments around it": ("/* { */ function go() { // }\n} // done", ("?go",)),
    "braces in texts and patterns": ("function a(){ x = `}`; y = '}'; z = /}/.test('{') }", ("?a",)),
    "other code beside it": ("var id = 1; load(id); function a(){} a()", ("?a",)),
    "parameters": ("function out(url){ x(url) } function all(){ x(arguments) }", ("+out", "+all")),
    "a function in a function": ("(function(){ function a(){} window.b = function(){} })()", ("?b",)),
    "methods": (
        "var s = { go() {}, at: x => { y() }, of: async function () {} }",
        ("?s.go", "?s.of().then", "?s.of().catch", "s{}"),
    ),
    "a class": ("class Tracker { static start() {} stop() {} }", ("?Tracker.start", "+Tracker().stop")),
    "what a class constructs": (
        "class Tracker { constructor(id) {} send(x) {} async end() {} id() { return 1 } }",
        ("+Tracker", "+Tracker().send", "+Tracker().end"),
    ),
    "a name in an object": (
        "app.stats = function () {}; app.more = { go() {} }",
        ("?app.stats", "?app.more.go", "app.more{}"),
    ),
    "settings": ("window.a = { id: 1 }; var b = b || {}; let c = window.c || {}; d.e = 1", ("a{}", "b{}", "c{}")),
    "a promise": (
        "async function a(){} function b(x){ return new Promise(f) }",
        ("?a().then", "?a().catch", "+b().then", "+b().catch"),
    ),
    "another value": (
        "function a(){ return 1 } function b(){ return; } function c(){ on(() => { return 2 }) }",
        ("?b", "?c"),
    ),
    "a way elsewhere": ("function a(x){ location.href = x } function b(f){ wait(() => { f.submit() }) }", ()),
    "handlers and objects of the browser": (
        "window.onload = function(){}; document.x = function(){}; A.prototype.b = () => {}",
        (),
    ),
    "what an enclosure returns": (
        "window.a = {}; a.b = (function(x){ x(); return { on: function(y){ if (y) { z() } }, off(){ z() } } })(c);"
        "var d = function(){ return { go: function(x){} } }(); e = e || function(){ return { go(){} } }()",
        ("a{}", "+a.b.on", "?a.b.off", "+d.go", "?e.go"),
    ),
    "what an enclosure returns by name": (
        "const a = (() => { const go = x => { y(x) }, id = () => { return 1 }; return { go, id, end: stop, at: 5 };"
        " function stop(){} })()",
        ("+a.go", "?a.end"),
    ),
    "what a minified enclosure returns": (
        "var a=function(){function c(x){}return on('load',(function(){x()}),!1),{go:c,off:function(x){}}}();"
        "b=function(){var e={};return e.go=function(x){},e.n=1,e}()",
        ("+a.off", "+a.go", "+b.go"),
    ),
    "an object that an enclosure fills": (
        "var a = (function(){ var it = { on(x){} }; it.off = function(){}; other.no = function(){}; return it })()",
        ("+a.on", "?a.off"),
    ),
    "what an enclosure constructs": ("var a = new function(){ this.go = function(x){} }", ("+a.go",)),
    "the window as a parameter": (
        "!function(w, d){ w.a = { go(x){} }; w.hit = () => {}; d.b = function(){} }(window, document)",
        ("+a.go", "?hit"),
    ),
    "queues": (
        "window.a = window.a || []; var b = b || [ ], no = [];"
        "(function(w){ w.c = w.c||[]; d.e = d.e || [] })(window);"
        "function f(){ var g = g || []; window.h = window.h || [] }",
        ("a[]", "b[]", "c[]", "h[]", "?f"),
    ),
    "functions that are not called where they are": (
        "var a = (function(x){}); var b = ((x) => { return { no(){} } }); c = (x, y) => {}; d = (x) => {}",
        ("+a", "+c", "+d"),
    ),
    "blocks": ("if (x) { y() } for (a of b) { c() } while (x) { z() }", ()),
    "no end": ("function a(){ if (b) {", ()),
    "a text without an end": ("function a(){ ' }", ()),
    "nothing": ("", ()),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_a_script_defines_for_others_is_found(name: str) -> None:
    """Global functions count that give nothing, or a promise, and take nobody elsewhere."""
    code, names = FOUND[name]
    assert defined_in(code) == names


@pytest.mark.parametrize(
    "piece",
    [
        "/(",
        "'\\",
        "/*",
        "return{a,",
        "a=(function(){",
        "}(",
        "(/[",
        ";",
        "{",
        "`",
        '"',
        "/",
        "x=/\\",
        "a={",
        "a=>{",
        "a.b",
        "a(",
        "}",
    ],
)
def test_the_search_is_linear(piece: str) -> None:
    """The cost is linear, whatever is repeated."""
    assert growth(lambda size: "function f(){" + piece * (size // len(piece)), defined_in, 4_000) < MOST


ASKS = "typeof define == 'function' && define.amd ? define([], t) : "


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (f"(function (e, t) {{ {ASKS} e.Feed = t() }})(this, make)", "Feed"),
        (
            f"(function (e, t) {{ {ASKS} typeof module == 'object' ? module.exports = t() : e.Feed = t() }})(this, m)",
            "Feed",
        ),
        (
            f"!function (e, t) {{ {ASKS} (e = typeof globalThis != 'undefined' ? globalThis : e || self).Feed = t() }}",
            "Feed",
        ),
        (f"!function (e, t) {{ {ASKS} t((e = e || self).Feed = {{}}) }}(this, make)", "Feed"),
        ("if (typeof define === 'function' && define.amd) { define([], f) } else { root.Feed = f() }", "Feed"),
        (f"(function (e, t) {{ {ASKS} module.exports = t() }})(this, make)", ""),
        ("root.Feed = make()", ""),
        (f"{ASKS} {'x' * 500} e.Feed = t()", ""),
    ],
    ids=str,
)
def test_the_global_of_a_library_that_could_be_a_module(code: str, name: str) -> None:
    """Other code in a page uses the library by this name."""
    assert module_in(code) == name


def test_the_search_for_a_library_is_linear() -> None:
    """A script may ask for a module system as often as it likes."""
    assert growth(lambda size: "define.amd " * size, module_in, 2_000) < MOST
