"""Short names in our scripts: what is declared gets one, and everything else keeps its own."""

from __future__ import annotations

import pytest

from consent_mw.notice.assets import compact_js


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("const first = 1; let second = first;", "const a=1;let b=a;"),
        ("(one, [two], ...rest) => one + two + rest[0];", "(a,[b],...c)=>a+b+c[0];"),
        ("try { go(); } catch (error) { tell(error); }", "try{go();}catch(a){tell(a);}"),
        ("const work = 1; f(`${work + f(work)} work`);", "const a=1;f(`${a + f(a)} work`);"),
        ("const list = [...other]; const other = 2;", "const b=[...a];const a=2;"),
    ],
)
def test_what_a_script_declares_gets_a_short_name(text: str, expected: str) -> None:
    """Variables, parameters and caught errors do, in code and in the code within texts."""
    assert compact_js(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "const first=1;f.first=first;",
        "const first=1;f({first});",
        "const first=1;f({first:1});",
        "const{first}=f;",
        "const{first=1}=f;",
        "const first=1;f({first(){}});",
        "const location=1;",
        "const first=1;f(`${'first'}`);",
    ],
)
def test_a_name_that_may_be_a_property_stays(text: str) -> None:
    """A name that stands for a property, a key or a global anywhere is not touched at all."""
    assert compact_js(text) == text


def test_a_short_name_is_not_one_that_the_script_uses() -> None:
    """A name that is not declared here, whoever declares it, is never shadowed."""
    assert compact_js("const first = a + b.c;") == "const d=a+b.c;"


def test_scopes_that_are_apart_share_short_names() -> None:
    """Two functions beside each other may use the same letters; one within another may not."""
    assert compact_js("f(one => one, two => two, three => four => three + four);") == "f(a=>a,a=>a,a=>b=>a+b);"


def test_texts_and_patterns_stay() -> None:
    """A name within quotes or a pattern is no name."""
    assert compact_js("const word = /word/.test('word');") == "const a=/word/.test('word');"
