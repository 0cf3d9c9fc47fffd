"""Functions that a script defines and does not call: found where it does nothing else."""

from __future__ import annotations

import time

import pytest

from consent_mw.html.definitions import defined_in

FOUND = {
    "one function": ("function count(){ load('}') }", ("count",)),
    "several": ("function a(){}\nvar b = function(){};\nwindow.c = () => { x() }", ("a", "b", "c")),
    "comments around it": ("/* { */ async function go() { // }\n} // done", ("go",)),
    "braces in texts and patterns": ("function a(){ x = `}`; y = '}'; z = /}/.test('{') }", ("a",)),
    "a call beside it": ("function a(){} a()", ()),
    "parameters": ("function out(url){}", ()),
    "no end": ("function a(){ if (b) {", ()),
    "a text without an end": ("function a(){ ' }", ()),
    "nothing": ("", ()),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_a_script_only_defines_is_found(name: str) -> None:
    """Functions without parameters count, and only in a script that does nothing but define them."""
    code, names = FOUND[name]
    assert defined_in(code) == names


@pytest.mark.parametrize("piece", ["/(", "'\\", "/*", "(/[", ";", "{", "`", '"', "/", "x=/\\"])
def test_the_search_is_linear(piece: str) -> None:
    """Twice the text takes about twice the time, whatever is repeated in it."""

    def seconds(size: int) -> float:
        text = "function f(){" + piece * (size // len(piece))
        begun = time.process_time()
        for _ in range(5):
            defined_in(text)
        return time.process_time() - begun

    assert seconds(60_000) < 3.5 * seconds(30_000) + 0.05
