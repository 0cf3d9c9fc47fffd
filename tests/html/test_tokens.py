"""
What ends where: the tokenizer's patterns, by own vectors and by those of html5lib-tests.

The vectors of html5lib-tests are read from the test corpus; where it is
absent those tests are skipped, and the own vectors stand for each rule.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_mw.errors import RefusedMarkup
from consent_mw.html.chunks import ScriptEnd
from consent_mw.html.chunks import TagWatch
from consent_mw.html.tokens import ATTRIBUTE
from consent_mw.html.tokens import NO_TAGS
from consent_mw.html.tokens import NO_TAGS_XML
from consent_mw.html.tokens import TAG
from consent_mw.html.tokens import end_tag
from consent_mw.html.tokens import text_with_markup
from consent_mw.html.urls import unescape_attribute
from tests.html.parsers import leaks
from tests.html.rewriting import run
from tests.html.rewriting import without_insertions
from tests.html.test_rewriter_properties import released
from tests.html.test_rewriter_properties import tree

REPOSITORY = Path(__file__).resolve().parents[2]

#: Start tags as (name, attributes), end tags as "/name".
Token = tuple[str, dict[str, str]] | str


def tokens(page: bytes) -> list[Token]:
    """Return the tags of a page that has nothing but data."""
    found: list[Token] = []
    position = 0
    while True:
        position = NO_TAGS.match(page, position).end()  # type: ignore[union-attr]
        tag = TAG.match(page, position)
        if tag is None:
            return found
        position = tag.end()
        name = tag.group(2).lower().decode().replace("\0", "\ufffd")
        if tag.group(1):
            found.append("/" + name)
            continue
        values: dict[str, str] = {}
        for attribute in ATTRIBUTE.finditer(page, tag.end(2), tag.end()):
            raw = attribute.group(attribute.lastindex) if (attribute.lastindex or 1) > 1 else b""  # type: ignore[arg-type]
            key = re.sub("[A-Z]", lambda letter: letter.group().lower(), attribute.group(1).decode())
            value = unescape_attribute(raw.decode().replace("\0", "\ufffd"))
            values.setdefault(key.replace("\0", "\ufffd"), value)
        found.append((name, values))


VECTORS: dict[bytes, list[Token]] = {
    b"<a>": [("a", {})],
    b"<A HREF=x>": [("a", {"href": "x"})],
    b"<a b='c' d=\"e\" f=g h>": [("a", {"b": "c", "d": "e", "f": "g", "h": ""})],
    b"<a b = c>": [("a", {"b": "c"})],
    b"<a b= >": [("a", {"b": ""})],
    b"<a b=>": [("a", {"b": ""})],
    b"<a/b/c=d/>": [("a", {"b": "", "c": "d/"})],
    b"<a b='c'd=e>": [("a", {"b": "c", "d": "e"})],
    b"<a =b>": [("a", {"=b": ""})],
    b"<a =b=c>": [("a", {"=b": "c"})],
    b"<a b==c>": [("a", {"b": "=c"})],
    b"<a b\"c'd<e>": [("a", {"b\"c'd<e": ""})],
    b'<a b=c"d>': [("a", {"b": 'c"d'})],
    b"<a b='>'>": [("a", {"b": ">"})],
    b"<a b=c b=d>": [("a", {"b": "c"})],
    b"<a\x0cb>": [("a", {"b": ""})],
    b"<a\x0bb>": [("a\x0bb", {})],
    b"<a\0b c\0=d\0>": [("a\ufffdb", {"c\ufffd": "d\ufffd"})],
    b"</a b='>'>": ["/a"],
    b"</A >": ["/a"],
    b"<a": [],
    b"<a b='": [],
    b"<<a>": [("a", {})],
    b"< a>": [],
    b"<1><a>": [("a", {})],
    b"</><a>": [("a", {})],
    b"</ a><b>": [("b", {})],
    b"<!a '>'<b>": [("b", {})],
    b"<?a '>'<b>": [("b", {})],
    b"<!-- <a> --><b>": [("b", {})],
    b"<!--><a>": [("a", {})],
    b"<!---><a>": [("a", {})],
    b"<!----><a>": [("a", {})],
    b"<!-- --!><a>": [("a", {})],
    b"<!-- -- > <a> --><b>": [("b", {})],
    b"<!-- <!-- --><a>": [("a", {})],
    b"<!-- <!--><a>": [("a", {})],
    b"<!--->--><a>": [("a", {})],
    b"<!-<a>": [],
    b"<![CDATA[<a>]]><b>": [("b", {})],
    b"<!doctype html><a>": [("a", {})],
}


@pytest.mark.parametrize(("page", "expected"), VECTORS.items(), ids=map(ascii, VECTORS))
def test_tags(page: bytes, expected: list[Token]) -> None:
    """Tags, comments and what looks like them end where the HTML Standard says."""
    assert tokens(page) == expected


SCRIPTS = {
    b"a</script>": 1,
    b"a</SCRIPT\t>": 1,
    b"a</scripts></script >": 11,
    b"a</script": -1,
    b"<!-- </script>": 5,
    b"<!--<script></script></script>": 21,
    b"<!--<script></script>--></script>": 24,
    b"<!--<script>--></script>": 15,
    b"<!--><script></script>": 13,
    b"<!--<scriptx></script>": 13,
    b"<!-- <script> </script> <script> </script> --> </script>": 47,
    b"<!-- <script> <!-- </script> </script>": 29,
    b"--><script></script>": 11,
    b"<script></script>": 8,
    b"": -1,
}


@pytest.mark.parametrize(("text", "expected"), SCRIPTS.items(), ids=map(ascii, SCRIPTS))
def test_the_end_of_a_script(text: bytes, expected: int) -> None:
    """A script ends through the escaped and double escaped states, however it comes in."""
    assert ScriptEnd().find(text, 0, final=True) == expected
    finder = ScriptEnd()
    places = (finder.find(text[:size], 0, final=size == len(text)) for size in range(len(text) + 1))
    assert next((place for place in places if place >= 0), -1) == expected


def test_the_end_of_raw_text() -> None:
    """An end tag needs its whole name and an end of the name, in any case."""
    found = end_tag(b"style").search(b"</styles></styl></style></STYLE >")
    assert found is not None
    assert found.start() == 16


TEXTS = {
    b"a</style>": 1,
    b"<!-- </style> -->a</style>": 18,
    b"<![CDATA[ </style> ]]>a</style>": 23,
    b"<g title='</style>'>a</style>": 21,
    b"<!</style>a</style>": 11,
    b"a<b</style>": 11,
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.items(), ids=map(ascii, TEXTS))
def test_the_end_of_text_with_markup(text: bytes, expected: int) -> None:
    """In foreign content an end tag in a comment, a section or a value is none."""
    passed, end = text_with_markup(b"style", xml=False)
    stop = passed.match(text).end()  # type: ignore[union-attr]
    assert (stop, end.match(text, stop) is not None) == (expected, expected < len(text))


def test_xml_has_other_comments_and_sections() -> None:
    """In XML a comment ends at "-->" only, and instructions at "?>"."""
    page = b"<!-- --!> <a/> --> <![CDATA[ <a/> ]]> <?x > <a/> ?><b/>"
    assert NO_TAGS_XML.match(page).end() == page.index(b"<b/>")  # type: ignore[union-attr]


CUT = [
    b"<a>",
    b"<a b>",
    b"<a b = c>",
    b"<a b='c>' d=\">\" e=f g  h  =  i>",
    b"<a    />",
    b"<a b='c'd/=e>",
    b"</a b='>'>",
]


@pytest.mark.parametrize("tag", CUT, ids=map(ascii, CUT))
def test_a_cut_tag_is_looked_at_again_when_it_can_end(tag: bytes) -> None:
    """The watch never misses the end of a tag, and knows where the attribute began that was not complete."""
    watch = TagWatch()
    for size in range(1, len(tag)):
        assert not watch.may_end(tag[:size], 0) or TAG.match(tag[:size]) is None
    assert watch.may_end(tag, 0)
    # Asked again, it says the same.
    assert watch.may_end(tag + b"text", 0)


@pytest.mark.parametrize("piece", [b" ", b"/", b"a", b"a ", b"='", b"a='b'", b"a=b "])
def test_a_cut_tag_is_not_read_again_from_its_beginning(piece: bytes) -> None:
    """Each byte of a long tag is looked at a bounded number of times."""
    watch = TagWatch()
    data = bytearray(b"<a ")
    for _ in range(3000):
        data += piece
        watch.may_end(data, 0)
    assert len(data) - watch.attribute <= 2 * len(piece) or piece in (b" ", b"/", b"a", b"='", b"a ")


# -- html5lib-tests


def corpus() -> Path:
    """Return the folder of the test corpus; skip where there is none."""
    for place in (os.environ.get("CONSENT_MW_CORPUS"), REPOSITORY.parent / "shared" / "corpus"):
        if place and (Path(place) / "html5lib" / "tokenizer").is_dir():
            return Path(place) / "html5lib"
    pytest.skip("test corpus absent: set CONSENT_MW_CORPUS to the folder that holds html5lib")


TOKENIZER_FILES = (
    "contentModelFlags domjs entities escapeFlag namedEntities numericEntities pendingSpecChanges test1 test2 test3"
    " test4 unicodeChars"
)


def cases(name: str) -> Iterator[tuple[str, str, str, list[list[object]]]]:
    """Yield state, last start tag, input and expected tokens of a file of tokenizer tests."""
    data = json.loads((corpus() / "tokenizer" / f"{name}.test").read_text(encoding="utf-8"))
    for test in data["tests"]:
        text, output = test["input"], test["output"]
        if test.get("doubleEscaped"):
            text = re.sub(r"\\u([0-9A-Fa-f]{4})", lambda found: chr(int(found.group(1), 16)), text)
            output = json.loads(json.dumps(output).replace("\\\\u", "\\u"))
        if any("\ud800" <= char <= "\udfff" for char in text):
            continue
        for state in test.get("initialStates", ["Data state"]):
            yield state, test.get("lastStartTag", ""), text.replace("\r\n", "\n").replace("\r", "\n"), output


def tags_of(output: list[list[object]]) -> list[object]:
    """Return the tags among the expected tokens, in our form."""
    found: list[object] = []
    for kind, *rest in output:
        if kind == "StartTag":
            found.append((rest[0], rest[1]))
        elif kind == "EndTag":
            found.append("/" + str(rest[0]))
    return found


@pytest.mark.parametrize("name", TOKENIZER_FILES.split())
def test_html5lib_tokens(name: str) -> None:
    """The tags of each page are those that html5lib-tests expects, attributes and all."""
    wrong = [
        (text, tokens(text.encode()), tags_of(output))
        for state, _, text, output in cases(name)
        if state == "Data state" and tokens(text.encode()) != tags_of(output)
    ]
    assert wrong == []


@pytest.mark.parametrize("name", TOKENIZER_FILES.split())
def test_html5lib_ends_of_text(name: str) -> None:
    """Raw text, RCDATA and scripts end at the end tag that html5lib-tests expects."""
    wrong = []
    for state, last, text, output in cases(name):
        if state not in ("RAWTEXT state", "RCDATA state") and (state, last) != ("Script data state", "script"):
            continue
        raw = text.encode()
        if state == "Script data state":
            at = ScriptEnd().find(raw, 0, final=True)
        else:
            found = end_tag((last or "none").encode()).search(raw)
            at = found.start() if found else -1
        closing = TAG.match(raw, at) if at >= 0 else None
        ends = f"/{last or 'script'}" in tags_of(output)
        before = "".join(str(rest[0]) for kind, *rest in output[:1] if kind == "Character")
        matches = at < 0 or raw[:at].decode().replace("\0", "\ufffd") == before or state == "RCDATA state"
        if (closing is not None) is not ends or (ends and not matches):
            wrong.append((state, last, text, output))
    assert wrong == []


#: What stands around an element in which a fragment is parsed.
_AROUND = {
    **dict.fromkeys(("caption", "colgroup", "tbody", "tfoot", "thead"), "<table>"),
    "tr": "<table><tbody>",
    **dict.fromkeys(("td", "th"), "<table><tbody><tr>"),
    "col": "<table><colgroup>",
    "option": "<select>",
}


def pages(name: str, *, fragments: bool = False) -> Iterator[bytes]:
    """
    Yield the inputs of a file of tree construction tests.

    Args:
        fragments: Those that stand in an element, each put into that; otherwise whole pages.
    """
    text = (corpus() / "tree-construction" / name).read_text(encoding="utf-8", errors="surrogateescape")
    for case in re.split(r"(?:\A|\n\n)#data\n", text)[1:]:
        head = case.partition("\n#errors")[0].partition("\n#document")[0]
        around = re.search(r"\n#document-fragment\n(.+)", case)
        if around is None and not fragments:
            yield head.encode("utf-8", "surrogateescape")
        elif around is not None and fragments:
            *space, element = around.group(1).split()
            before = _AROUND.get(element, "") if not space else f"<{space[0]}>" * (element != space[0])
            yield f"<!doctype html>{before}<{element}>{head}".encode("utf-8", "surrogateescape")


#: The tag behind which the tokenizer is in a state, unless a test names another.
_BEGINS = {
    "RCDATA state": "<textarea>",
    "RAWTEXT state": "<style>",
    "PLAINTEXT state": "<plaintext>",
    "Script data state": "<script>",
    "CDATA section state": "<svg><![CDATA[",
}


def texts(name: str) -> Iterator[bytes]:
    """Yield the inputs of a file of tokenizer tests that begin in another state than data, as pages."""
    for state, last, text, _ in cases(name):
        if state != "Data state":
            named = last in ("textarea", "title", "style", "xmp", "iframe", "noembed", "noframes", "script")
            yield f"<!doctype html>{f'<{last}>' if named else _BEGINS[state]}{text}".encode()


def tree_files() -> list[str]:
    """Return the names of the files, or one that says that they are absent."""
    try:
        return sorted(path.name for path in (corpus() / "tree-construction").glob("*.dat"))
    except pytest.skip.Exception:
        return ["absent"]


BEACONS = (b"<img src=//tracker.example/1.gif>", b"<script src=//tracker.example/2.js></script>")


def test_html5lib_counts() -> None:
    """How many cases of html5lib-tests are run: tags of pages, ends of raw text and RCDATA, trees."""
    every = [(state, last) for name in TOKENIZER_FILES.split() for state, last, *_ in cases(name)]
    ends = [
        one for one in every if one[0] in ("RAWTEXT state", "RCDATA state") or one == ("Script data state", "script")
    ]
    trees = sum(len(list(pages(name))) for name in tree_files())
    assert (every.count(("Data state", "")), len(ends), trees) == (6685, 153, 1600)
    fragments = sum(len(list(pages(name, fragments=True))) for name in tree_files())
    assert (fragments, sum(len(list(texts(name))) for name in TOKENIZER_FILES.split())) == (192, 342)


def check_with_beacons(given: Iterator[bytes], *, trees: bool = True) -> list[bytes]:
    """
    Put a beacon into each page: none leaks, none changes, chunks do not matter. Return what is refused.

    Args:
        trees: Whether html5lib is asked too; it does not come to an end with some fragments.
    """
    refused = []
    for number, page in enumerate(given):
        places = [found.start() for found in re.finditer(rb"<|\Z", page)]
        beacon = BEACONS[number % 2]
        place = places[number % len(places)]
        case = page[:place] + beacon + page[place:]
        cuts = sorted({(number * 7 + step) % (len(case) + 1) for step in (0, 3, 11)})
        try:
            out, kept = without_insertions(case)
        except RefusedMarkup:
            refused.append(case)
            continue
        assert kept == case
        assert run(case, cuts) == out, (case, cuts)
        scripting = bool(number % 3)
        assert leaks(out, scripting=scripting) == [], case
        if not trees:
            continue
        assert released(tree(out, scripting=scripting)) == released(tree(case, scripting=scripting)), case
    return refused


@pytest.mark.parametrize("name", tree_files())
def test_html5lib_pages(name: str) -> None:
    """Pages that lead parsers astray, with a beacon put in anywhere: none leaks, and none is refused."""
    corpus()
    assert check_with_beacons(pages(name)) == []


@pytest.mark.parametrize("name", tree_files())
def test_html5lib_fragments(name: str) -> None:
    """The same for fragments, each in the element that it is to be parsed in."""
    corpus()
    assert check_with_beacons(pages(name, fragments=True), trees=False) == []


@pytest.mark.parametrize("name", TOKENIZER_FILES.split())
def test_html5lib_texts(name: str) -> None:
    """The same for text behind the tag by which the tokenizer comes into the state that the test begins in."""
    assert check_with_beacons(texts(name)) == []
