"""The top-level statements of a script: where they end for certain."""

from __future__ import annotations

from itertools import pairwise

import pytest

from consent_mw.html.statements import split

GATE = b"(function(){a})()"


def parts(code: bytes) -> list[bytes] | None:
    """Return the statements of a script without the white space around them."""
    found = split(code)
    return None if found is None else [code[start:end].strip() for start, end in pairwise([0, *found.ends])]


@pytest.mark.parametrize(
    "code",
    [
        b"var a = 1, b = [2];|b()",
        b"if (a) b(); else if (c) { d() } else e();|f()",
        b"for (var i = 0; i < 3; i++) a(i);|while (b) c();|do { d() } while (e);|f()",
        b"function a() { return '}' }|function* b() {}|async function c() {}|class D extends E { f() {} }|g()",
        b"try { a() } catch (e) {} finally {}|try { a() } catch { b }|switch (a) { case 1: b; default: c }|d()",
        b"{ a; b }|;|c()",
        b"a: for (;;) { break a }|b: { break b }|import('c').then(d);|e()",
        b"a = b ? c : d;|a = { b: 1, c() {} };|[a].b();|(c)()",
        b"a = /[/;'\"]/.test(b);|c = `; ${ { d: `}` }.d } ;`;|e = ';';|f()",
        b"a = function () { return b; }.call(c);|!function () {}();|d()",
    ],
)
def test_semicolons_and_blocks_end_statements(code: bytes) -> None:
    """A statement ends at its own semicolon or brace, and not at one inside it, on one line as on several."""
    expected = code.split(b"|")
    assert parts(b" ".join(expected)) == expected
    assert parts(b"\n".join(expected)) == expected


@pytest.mark.parametrize(
    "code",
    [
        b"a = b|c()",
        b"a()|b()|var c|let d = 1|!e|'f'|7",
        b"a = function () {}|b()",
        b"a = x => {}|b = y => y|c()",
        b"a = this|b++|c.delete|d",
        b"a = `b`|c = /d/g|e = 'f'|g()",
        b"if (a) b()|else c()".replace(b"|else", b"\nelse") + b"|d()",
        b"a /* b\n */|c()",
    ],
)
def test_a_line_break_ends_a_statement_before_a_token_that_cannot_continue_it(code: bytes) -> None:
    """By the rules of automatic semicolon insertion, https://tc39.es/ecma262/#sec-automatic-semicolon-insertion"""
    lines = code.split(b"|")
    found = parts(b"\n".join(lines))
    assert found is not None
    assert len(found) == len(lines)


@pytest.mark.parametrize(
    "code",
    [
        b"a = b\n(c)",
        b"a = b\n[c]",
        b"a = b\n`c`",
        b"a = b\n+ c\n- d\n* e\n/ f",
        b"a\n.b\n?.c",
        b"a\n? b\n: c",
        b"a = function b(c)\n{ d }",
        b"var\na\n=\nb",
        b"a = b\nin c\ninstanceof d",
        b"a = b\n!= c",
        b"a = x =>\n{ b }",
        b"a = class b\nextends c {}",
        b"typeof\na",
        b"a <!-- b\n/c/d",
        b"1.\n/c/d",
        b"new\nA",
    ],
)
def test_a_line_break_within_a_statement_does_not_end_it(code: bytes) -> None:
    """Whatever may continue on the next line does."""
    assert parts(code) == [code]


@pytest.mark.parametrize(
    "code",
    [
        b"import a from 'b'; c()",
        b"import 'b'; c()",
        b"export default a",
        b"return a; b()",
        b"if (a) /b/.test(c); d()",
        b"a = {} / b / c; d()",
        b"a\n++b",
        b"a = await\nb()",
        b"a = 'b\nc()",
        b"a(; b()",
        b"(a]; b()",
        b"\\u0061 = 1; b()",
        "ä = 1; b()".encode(),
        "a = 1;\u2028b()".encode(),
        b"else a(); b()",
        b"if (a) " * 50 + b"b(); c()",
        b"a();" * 201,
    ],
)
def test_what_is_not_certain_has_no_answer(code: bytes) -> None:
    """Modules, syntax errors, doubtful slashes, letters beyond ASCII in names, and too many statements."""
    assert parts(code) is None


def test_directives_are_counted() -> None:
    """Strictness is a property of the whole script, so a caller has to know of it."""
    strict = split(b" 'use strict';\n'other'\na()")
    assert strict is not None
    assert (strict.directives, strict.strict) == (2, True)
    plain = split(b"'use asm'; a()")
    assert plain is not None
    assert (plain.directives, plain.strict) == (1, False)
    assert split(b"/* why */ 'use strict'; a()") is None


def test_comments_belong_to_what_follows_and_hide_nothing() -> None:
    """A comment may contain anything, an old one for browsers without scripts as well."""
    assert parts(b"<!--\na(); // b;\nc() /* d; } */; e()\n//-->") == [
        b"<!--\na();",
        b"// b;\nc() /* d; } */;",
        b"e()\n//-->",
    ]


@pytest.mark.parametrize(
    "code", [b"(" * 30_000 + b")" * 30_000, b"{" * 30_000 + b"}" * 30_000, b"a?b:" * 15_000 + b"c"]
)
def test_deep_nesting_is_read(code: bytes) -> None:
    """Brackets are matched once, without recursion."""
    assert parts(code) == [code]
