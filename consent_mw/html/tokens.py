"""
A byte tokenizer for HTML: regular expressions that find where tags, comments and text end.

They follow the states of the HTML Standard (https://html.spec.whatwg.org/#tokenization). Long because the patterns of a
page build on one another.

Theory of operation. A tag *matters* if it may fetch, run or connect, or changes how the following bytes are read. All
other markup only has to be passed over, and that is where the time goes. So :class:`Syntax` composes large patterns
that pass over everything up to the next tag that matters; these depend on the elements and attributes that a site's
rules name. The module constants are independent of rules: they match one tag, one attribute, or the text between two
tags.

The patterns work on any ASCII-compatible bytes. All repeats are possessive (``*+``), so none of them backtracks and
each is linear. A match ends before a construct that is incomplete: the reading then waits for more bytes. ``_scan.c``
does the work of :class:`Syntax` in C; the patterns here are its specification. :class:`ScriptEnd` and :class:`TagWatch`
find an end over several chunks and remember how far they have searched.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from functools import cached_property
from functools import lru_cache
from typing import TYPE_CHECKING

from consent_mw.html import scan

if TYPE_CHECKING:
    from consent_mw.html._scan import Scanner


def _either_case(text: str) -> str:
    return "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else re.escape(c) for c in text)


#: ASCII white space as HTML defines it; \\s would include the vertical tab.
WS = rb"[ \t\n\r\f]"
_NAME = rb"[^ \t\n\r\f/>]*+"

#: An attribute's value after "=": quoted, unquoted, or missing before ">".
_VALUE = rb"(?:\"[^\"]*+\"|'[^']*+'|[^ \t\n\r\f\"'>][^ \t\n\r\f>]*+|(?=>))"
#: An initial "=" is part of the name (before attribute name state). A value without an end fails the whole tag.
_NAME_AND_VALUE = rb"[^ \t\n\r\f/>=]*+(?:=\"[^\"]*+\"|[ \t\n\r\f]*+=[ \t\n\r\f]*+" + _VALUE + rb"|(?![ \t\n\r\f]*+=))"
_ATTRIBUTE = rb"[^ \t\n\r\f/>]" + _NAME_AND_VALUE
#: Before 3.11.5, Python does not step back out of a possessive group that fails halfway (CPython issue 106052). A last
#: branch that always fails works around this, and is faster than an atomic group around a plain repeat.
_BACK = rb"|(?!)"
_ATTRIBUTES = rb"(?:[ \t\n\r\f/]++|" + _ATTRIBUTE + _BACK + rb")*+"

#: A complete start or end tag: slash, name.
TAG = re.compile(rb"<(/?)([a-zA-Z]" + _NAME + rb")" + _ATTRIBUTES + rb">")

#: The attributes of a tag that is known to be complete: name, then the value in one of three groups.
ATTRIBUTE = re.compile(
    rb"([^ \t\n\r\f/>][^ \t\n\r\f/>=]*+)"
    rb"(?:[ \t\n\r\f]*+=[ \t\n\r\f]*+(?:\"([^\"]*+)\"|'([^']*+)'|([^ \t\n\r\f\"'>][^ \t\n\r\f>]*+)|(?=>)))?"
)

#: The same for an incomplete tag, in which the last quoted value may have no end.
ATTRIBUTES_SO_FAR = re.compile(_ATTRIBUTES)
OPEN_VALUE = re.compile(rb"([^ \t\n\r\f/>][^ \t\n\r\f/>=]*+)[ \t\n\r\f]*+=[ \t\n\r\f]*+([\"']?)")

_COMMENT = rb"<!--(?:-?>|(?:[^-]++|-(?!-!?>)" + _BACK + rb")*+--!?>)"
#: Bogus comments and doctypes end at the first ">", even inside quotes.
_BOGUS = rb"<!(?!--)[^>]*+>|<\?[^>]*+>|</[^a-zA-Z>][^>]*+>|</>"
_NO_TAG = rb"<(?=[^a-zA-Z!/?])"
#: The same in foreign content, in which "<![CDATA[" starts a section.
_BOGUS_FOREIGN = rb"<!(?!--|\[CDATA\[)[^>]*+>|<\?[^>]*+>|</[^a-zA-Z>][^>]*+>|</>"

COMMENT_END = re.compile(rb"--!?>")
CDATA_START = b"<![CDATA["

#: Markup between tags, other than text.
_BETWEEN = _COMMENT + rb"|" + _BOGUS

#: Text, comments and bogus comments.
NO_TAGS = re.compile(rb"(?:[^<]++|" + _COMMENT + rb"|" + _BOGUS + rb"|" + _NO_TAG + _BACK + rb")*+")

#: Text, comments and CDATA sections in foreign content; only sections without a ">" (see TextReader.cdata).
NO_TAGS_FOREIGN = re.compile(
    rb"(?:[^<]++|<!\[CDATA\[(?:[^\]>]++|\](?!\]>)"
    + _BACK
    + rb")*+\]\]>|"
    + _COMMENT
    + rb"|"
    + _BOGUS_FOREIGN
    + rb"|"
    + _NO_TAG
    + _BACK
    + rb")*+"
)

#: One piece of a page: text (1), the name of an end tag (2) or start tag (3), a DOCTYPE (4), or a comment (no group).
PIECE = re.compile(
    rb"([^<]++|<(?=[^a-zA-Z!/?]))|</([a-zA-Z]" + _NAME + rb")" + _ATTRIBUTES + rb">"
    rb"|<([a-zA-Z]"
    + _NAME
    + rb")"
    + _ATTRIBUTES
    + rb">|"
    + _COMMENT
    + rb"|(<![dD][oO][cC][tT][yY][pP][eE][^>]*+>)|"
    + _BOGUS
)

#: As NO_TAGS, for XML: comments end only at "-->", CDATA is text, and processing instructions end at "?>".
NO_TAGS_XML = re.compile(
    rb"(?:[^<]++|<!--(?:[^-]++|-(?!->)%(back)s)*+-->|<!\[CDATA\[(?:[^\]]++|\](?!\]>)%(back)s)*+\]\]>"
    rb"|<!DOCTYPE[^>\[]*+>|<\?(?!xml-stylesheet)(?:[^?]++|\?(?!>)%(back)s)*+\?>%(back)s)*+" % {b"back": _BACK}
)

#: What may come before the body without opening it, apart from tags.
BEFORE_BODY = re.compile(rb"(?:[ \t\n\r\f]++|" + _COMMENT + rb"|" + _BOGUS + _BACK + rb")*+")

#: Takes a buffer and a position; returns the position up to which everything can be passed over.
Skip = Callable[[scan.Buffer, int], int]


def end_of_match(pattern: re.Pattern[bytes]) -> Skip:
    match = pattern.match
    return lambda buffer, position: match(buffer, position).end()  # type: ignore[union-attr]


skip_before_body = end_of_match(BEFORE_BODY)

#: JavaScript MIME types by essence, https://mimesniff.spec.whatwg.org/#javascript-mime-type
JAVASCRIPT_TYPES = frozenset(
    f"{top}/{sub}".encode()
    for top, subs in (
        ("application", ("ecmascript", "javascript", "x-ecmascript", "x-javascript")),
        (
            "text",
            ("ecmascript", "javascript", "jscript", "livescript", "x-ecmascript", "x-javascript")
            + tuple(f"javascript1.{minor}" for minor in range(6)),
        ),
    )
    for sub in subs
)

#: Elements whose content is text up to their own end tag.
RAW_TEXT = frozenset({b"style", b"xmp", b"iframe", b"noembed", b"noframes", b"title", b"textarea"})

#: Elements whose start tags change how the following bytes are read.
CHANGES_MODE = RAW_TEXT | frozenset(
    b"script svg math noscript plaintext select frameset template base body col".split()
)
#: Elements that may come before the body.
BEFORE_THE_BODY = frozenset(
    b"html head title meta link base basefont bgsound script style noscript template noframes".split()
)

#: Start tags that leave foreign content, https://html.spec.whatwg.org/#parsing-main-inforeign
BREAKOUT = frozenset(
    b"b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta"
    b" nobr ol p pre ruby s small span strong strike sub sup table tt u ul var".split()
)
SVG_INTEGRATION = frozenset({b"foreignobject", b"desc", b"title"})
MATH_INTEGRATION = frozenset({b"mi", b"mo", b"mn", b"ms", b"mtext"})
MATH_ONLY = frozenset({b"mglyph", b"malignmark"})
VOID = frozenset(
    b"area base basefont bgsound br col embed frame hr img image input keygen link meta param source track wbr".split()
)

#: Drawing elements: they fetch only through the attributes in _FOREIGN_SENSITIVE.
_DRAWING = (
    "path g circle rect line polyline polygon ellipse defs stop lineargradient radialgradient text tspan symbol"
    " clippath mask pattern marker view metadata switch"
)


def trie(words: Iterable[str], letter: Callable[[str], str] = _either_case) -> str:
    """Return a pattern that matches any of ``words``, branching letter by letter."""
    tree: dict[str, dict[str, object]] = {}
    for word in words:
        node: dict[str, object] = tree  # type: ignore[assignment]
        for char in word:
            node = node.setdefault(char, {})  # type: ignore[assignment]
        node[""] = {}

    def pattern(node: dict[str, object]) -> str:
        branches = [letter(char) + pattern(sub) for char, sub in node.items() if char]  # type: ignore[arg-type]
        if not branches:
            return ""
        text = branches[0] if len(branches) == 1 and "" not in node else "(?:" + "|".join(branches) + ")"
        return text + ("?" if "" in node else "")

    return pattern(tree)  # type: ignore[arg-type]


_NAME_ENDS = r"(?=[ \t\n\r\f=/>])"
_IS = r"[ \t\n\r\f]*+=[ \t\n\r\f]*+"

#: Code of an event handler that surely contains no address: it has no escape, no character reference, no byte that
#: depends on the charset, no "//", and no quote followed by the beginning of a host.
_NO_HOST = r"(?!\.?+[a-z0-9-]++\.)"
_HANDLED = r"(?:[%s]++|/(?!/)|[%s]" + _NO_HOST + "|(?!))*+"
#: Handlers that may contain an address; the holder looks only for addresses in them (CodeMatcher.handler).
_HANDLER = (
    _either_case("on")
    + r"[a-zA-Z][^ \t\n\r\f/>=]*+"
    + _IS
    + r"(?:\""
    + _HANDLED % (r"\t\n\r !#-%(-.0-\[\]-_a-~", "'`")
    + r"[^\"]|'"
    + _HANDLED % (r"\t\n\r !#-%(-.0-\[\]-_a-~", '"`')
    + r"[^']|(?![\"'])"
    + _HANDLED % (r"!#-%(-.0-=?-\[\]-_a-~", "\"'`")
    + r"[^ \t\n\r\f>])"
)
#: Attributes that may fetch or run something on any element. A style attribute matters if it contains a function, an
#: escape or a character reference.
_SENSITIVE_NAMES = ("background", "ping", "attributionsrc", "data-consent", "formaction")
_SENSITIVE = (
    _HANDLER
    + "|"
    + trie(_SENSITIVE_NAMES)
    + _NAME_ENDS
    + "|"
    + _either_case("data-cmw-")
    + "|"
    + _either_case("style")
    + _IS
    + r"(?:\"[^\"(\\&]*+[(\\&]|'[^'(\\&]*+[(\\&]|(?![\"'])[^>(\\& \t\n\r\f]*+[(\\&])"
)
_LINKS = ("href", "xlink:href")
#: Prefixes of presentation attributes that may refer to another file.
PAINTS = ("fill", "stroke", "mask", "filter", "clip-path", "cursor", "marker")
#: A value that may refer to another file: it contains a function other than "url(#...)", an escape or a reference.
_NAMES_FILE = r"[^%s(\\&]*+(?:[(]%s#[^%s(\\&]*+|(?!))*+[(\\&]"
#: Sensitive attributes in drawings: also links, and presentation attributes that refer to another file.
_FOREIGN_SENSITIVE = (
    _SENSITIVE
    + "|"
    + trie(_LINKS)
    + _IS
    + r"(?![\"']?#)|"
    + trie(PAINTS)
    + r"[a-zA-Z-]*+"
    + _IS
    + r"(?:\""
    + _NAMES_FILE % ('"', r"[ \t\n\r\f]*+", '"')
    + "|'"
    + _NAMES_FILE % ("'", r"[ \t\n\r\f]*+", "'")
    + r"|(?![\"'])"
    + _NAMES_FILE % (r"> \t\n\r\f", "", r"> \t\n\r\f")
    + ")"
)

_FOREIGN_FIRSTS = "hxsmc"
#: Prefixes of common attribute names with which no sensitive name begins; they are not examined further.
_COMMON_NAMES = "alt|aria-|data-[abd-z]|decoding|height|id|loading|sizes|xmlns"
#: The most common attributes of drawings; without a function their values refer to nothing.
_DRAWN_VALUE = rb"(?:d|class|(?:fill|stroke)[a-z-]*+)=\"[^\"(\\&]*+\""

#: Elements that matter: they fetch, run, or change the tokenizer's state or the base URL.
_SURFACED = (
    "script style svg math img image iframe input link meta base body noscript noembed noframes source title textarea"
    " track xmp plaintext object embed video audio frame frameset select bgsound template model form"
    " param portal fencedframe"
)
#: Elements of the head that may be tame (below), and elements whose end tags change how the rest is read.
_TAME_IN_HEAD = frozenset({"html", "head", "meta", "link"})
_ENDS = frozenset({"body", "noscript", "select", "template"})
#: Custom elements, which may fetch by their own code.
_CUSTOM = "[a-zA-Z][a-zA-Z0-9._]*+-"
#: Elements that can be *tame*: harmless if all their addresses lead to the page's own host.
_TAMEABLE = frozenset({"img", "source", "input", "link", "meta", "video", "audio", "track"})
_TAME_ADDRESSES = ("src", "href", "poster", "data-src", "data-lazy-src", "data-original")
_TAME_LISTS = ("srcset", "imagesrcset", "data-srcset", "data-lazy-srcset")
#: Attributes from which lazy loaders take addresses.
LAZY_WORDS = ("src", "lazy", "cfsrc", "ezsrc", "original", "echo", "bg", "background", "url", "iframe", "poster")
LAZY_NAMES = ("lazy-s", "nitro-lazy-s")
_LAZY = f"{_either_case('data-')}(?:[a-zA-Z0-9]+-){{0,3}}?{trie(LAZY_WORDS)}|{trie(LAZY_NAMES)}"
_NEVER_TAME = ("http-equiv", "lowsrc", "dynsrc")
#: Attributes of any element from which lazy loaders take a background when it comes into view, ...
LAZY_BACKGROUNDS = (
    *("data-bg", "data-bgset", "data-bg-set", "data-bg-src", "data-bg-image", "data-bg-img", "data-bg-url"),
    *("data-bg-lazy", "data-bg-multi", "data-bg-hidpi", "data-bg-multi-hidpi", "data-background"),
    *("data-background-image", "data-background-image-set", "data-background-src", "data-background-url"),
    *("data-lazy-bg", "data-lazybg", "data-lazy-background", "data-lazy-background-image", "data-style"),
    *("data-lazy-style", "data-back", "data-back-webp", "data-flickity-bg-lazyload", "data-image-src"),
    *("data-parallax-image", "data-vc-parallax-image", "data-poster-url", "nitro-lazy-bg"),
)
#: ... and those from which they take one only if the element has a lazy-loading class.
LAZY_BY_CLASS = ("data-src", "data-srcset", "data-original", "data-lazy", "data-lazy-src", "data-echo")
#: The text in their values that may lead to another host.
_LEADS_AWAY = "//"


#: A text that can be written in only one way, except by character references or the escapes of a charset.
_PLAIN_TEXT = re.compile(r"[!#-%(-;=?-~]+")
#: A value with one of these bytes may mean something else than it seems to.
_UNCLEAR = "[&\\x1b]"


def _texts_by_name(marks: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return the texts of marks by attribute name; an empty tuple if the attribute counts whatever its value is."""
    texts: dict[str, set[str]] = {}
    for name, text in marks:
        texts.setdefault(name.lower(), set()).add(text)
    return {
        name: tuple(sorted(wanted)) if all(map(_PLAIN_TEXT.fullmatch, wanted)) else ()
        for name, wanted in sorted(texts.items())
    }


def _marked(name: str, texts: tuple[str, ...]) -> str:
    """Return the pattern of an attribute whose value contains one of these texts, or is unclear."""
    if not texts:
        return _either_case(name) + _NAME_ENDS
    any_of = f"(?:{trie(texts, re.escape)}|{_UNCLEAR})"
    values = (
        rf"{quote}(?:(?!{any_of})[^{ends}]|(?!))*+{any_of}"
        for quote, ends in (('"', '"'), ("'", "'"), ("(?![\"'])", r" \t\n\r\f>"))
    )
    return f"{_either_case(name)}{_IS}(?:{'|'.join(values)})"


def _uncommon(names: Iterable[str], common: str = _COMMON_NAMES) -> str:
    """Return the common prefixes without those with which one of ``names`` begins."""
    names = list(names)
    kept = [begins for begins in common.split("|") if not any(re.match(begins, name) for name in names)]
    return "|".join(kept) or "(?!)"


def _flags(*groups: tuple[int, Iterable[str | bytes]]) -> dict[bytes, int]:
    """Return the flags of each name, combined over the groups."""
    flags: dict[bytes, int] = {}
    for flag, names in groups:
        for name in names:
            key = name.lower().encode() if isinstance(name, str) else name
            flags[key] = flags.get(key, 0) | flag
    return flags


def matters_by_name(name: str) -> bool:
    """Return whether an element matters whatever its attributes and the rules are."""
    return name in _SURFACED.split() or re.match(_CUSTOM, name) is not None


def _any_mark(texts: dict[str, tuple[str, ...]]) -> str:
    """Return the addition to a pattern of sensitive attributes for these marks."""
    return "".join(f"|{_marked(name, wanted)}" for name, wanted in texts.items())


def _drawn_value(texts: dict[str, tuple[str, ...]]) -> bytes:
    """Return the pattern of the common attributes of drawings; empty if a rule names one of them."""
    named = any(name in ("d", "class") or name.startswith(("fill", "stroke")) for name in texts)
    return b"" if named else _DRAWN_VALUE


class DrawingSyntax:
    """
    Patterns that pass over the parts of a drawing that do not matter.

    Args:
        names: Element names to stop at.
        marks: Attributes to stop at if their value contains the text; an empty text means always.
    """

    def __init__(self, names: frozenset[str], marks: Iterable[tuple[str, str]]) -> None:
        texts = _texts_by_name(marks)
        drawing = trie(sorted(set(_DRAWING.split()) - names)).encode()
        value = _drawn_value(texts)
        drawn = (
            rb"(?=[ \t\n\r\f/>])(?:[ \t\n\r\f]++(?:"
            + (value + rb"|" if value else b"")
            + rb"(?!"
            + (_FOREIGN_SENSITIVE + _any_mark(texts)).encode()
            + rb")"
            rb"[a-zA-Z][a-zA-Z0-9:_-]*+=(?:\"[^\"]*+\"|'[^']*+'))" + _BACK + rb")*+[ \t\n\r\f]*+"
        )
        #: A drawing element that does not matter: its start tag (1: the name; 2: a slash that closes it) and, if it
        #: contains only text, its end tag (3). One that stays open must be recorded for its end tag. CPython loses
        #: track of a capturing group in a possessive repeat, so ``skip`` cannot include these: each is a stop.
        self.drawn = re.compile(rb"<(" + drawing + rb")" + drawn + rb"(?:(/)>|>(?:[^<]*+(</\1>))?)")
        #: The counterpart of Syntax.skip for foreign content: text, CDATA sections, and self-closing drawing elements.
        self.skip = re.compile(
            rb"(?:[^<]++|<" + drawing + drawn + rb"/>"
            # A section with a ">" in it contains markup for a preload scanner: see TextReader.cdata.
            rb"|<!\[CDATA\[(?:[^\]>]++|\](?!\]>)" + _BACK + rb")*+\]\]>"
            rb"|" + _COMMENT + rb"|" + _BOGUS_FOREIGN + rb"|" + _NO_TAG + _BACK + rb")*+"
        )


@lru_cache(maxsize=16)
def drawings_for(names: frozenset[str], marks: tuple[tuple[str, str], ...]) -> DrawingSyntax:
    """Return the patterns for the drawings of a site; marks for HTML elements (``html_marks``) do not affect them."""
    return DrawingSyntax(names, marks)


class Syntax:
    """
    Passes over markup that does not matter: by the scanner in C if there is one, otherwise by patterns.

    Args:
        names: Element names to stop at in addition to the built-in ones.
        paths: Prefixes of paths ("/...") to stop at on the page's own host.
        marks: Attributes to stop at if their value contains the text; an empty text means always.
        html_marks: The same for HTML elements only, not for drawings.
    """

    def __init__(
        self,
        names: Iterable[str] = (),
        paths: Iterable[str] = (),
        marks: Iterable[tuple[str, str]] = (),
        html_marks: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._names = frozenset(name.lower() for name in names)
        marks = tuple(marks)
        self._texts = _texts_by_name([*marks, *html_marks])
        #: The patterns for a drawing whose elements have to be examined one by one.
        self.drawings = drawings_for(self._names, marks)
        self._paths = tuple(sorted({path[1:] for path in paths}))
        named_by_rules = frozenset(self._texts)
        self._texts |= _texts_by_name(
            (name, _LEADS_AWAY) for name in (*LAZY_BACKGROUNDS, *LAZY_BY_CLASS) if name not in named_by_rules
        )
        # An address attribute that a rule names is never tame, and a rule for the path "/" applies to every address.
        tame = () if "" in self._paths else (*_TAME_ADDRESSES, *_TAME_LISTS)
        self._tame_names = frozenset(tame).difference(named_by_rules)
        extra = _any_mark(self._texts)
        self._sensitive = _SENSITIVE + extra
        self._foreign_sensitive = _FOREIGN_SENSITIVE + extra
        self._firsts = "obpadsf" + "".join(name[0] for name in self._texts)
        #: The scanner in C; None if there is none.
        self.scanner: Scanner | None = None if scan.Scanner is None else scan.Scanner(*self.tables())
        #: Passes over text, comments, and tags that cannot matter in HTML content.
        self.skip: Skip
        #: The same if relative URLs stay on the page's own host and only rules in ``paths`` apply to it.
        self.skip_local: Skip
        #: Passes over what does not matter before the body, under the conditions of skip_local.
        self.skip_head: Skip
        if self.scanner is None:
            self.skip = end_of_match(self.skip_pattern)
            self.skip_local = end_of_match(self.skip_local_pattern)
            self.skip_head = end_of_match(self.skip_head_pattern)
        else:
            self.skip, self.skip_local = self.scanner.skip, self.scanner.skip_local
            self.skip_head = self.scanner.skip_head

    def tables(self) -> scan.Tables:
        """Return the tables of the scanner in C, from the same words as the patterns."""
        element, end_tag, attribute = scan.ElementFlag, scan.EndTagFlag, scan.AttributeFlag
        names = self._names
        return scan.Tables(
            elements=_flags(
                (element.STOP, names.union(_SURFACED.split())),
                (element.TAME, _TAMEABLE - names),
                (element.HEAD, _TAME_IN_HEAD - names),
                (element.DRAWING, {"svg"}),
                (element.MODE, CHANGES_MODE),
                (element.BEFORE_BODY, BEFORE_THE_BODY),
                (element.SCRIPT, {"script"}),
            ),
            simple=dict.fromkeys((name.encode() for name in self._simple), 1),
            ends=_flags((end_tag.STOP, _ENDS), (end_tag.MODE, _ENDS - {"body"})),
            attributes=_flags(
                (attribute.SENSITIVE, [*_SENSITIVE_NAMES, *(name for name, texts in self._texts.items() if not texts)]),
                (attribute.STYLE, {"style"}),
                (attribute.MARKED, [name for name, texts in self._texts.items() if texts]),
                (attribute.FETCHES, [*_TAME_ADDRESSES, *_TAME_LISTS, *_NEVER_TAME]),
                (attribute.ADDRESS, self._tame_names.intersection(_TAME_ADDRESSES)),
                (attribute.ADDRESSES, self._tame_names.intersection(_TAME_LISTS)),
                (attribute.LINK, _LINKS),
            ),
            paths=tuple(path.encode() for path in self._paths if path),
            marks=tuple(
                (name.encode(), tuple(text.encode() for text in texts)) for name, texts in self._texts.items() if texts
            ),
        )

    # -- the patterns that the scanner in C replaces; compiling them takes a tenth of a second

    @cached_property
    def skip_pattern(self) -> re.Pattern[bytes]:
        """The pattern of :attr:`skip`."""
        return re.compile(rb"(?:" + self._passed + rb"|" + _BETWEEN + rb"|" + _NO_TAG + _BACK + rb")*+")

    @cached_property
    def skip_local_pattern(self) -> re.Pattern[bytes]:
        """The pattern of :attr:`skip_local`."""
        tame = rb"<" + trie(sorted(_TAMEABLE - self._names)).encode() + rb"(?=[ \t\n\r\f/>])" + self._tame + rb">"
        rest = rb"|" + tame + rb"|" + self._icon() + rb"|" + _BETWEEN + rb"|" + _NO_TAG + _BACK
        return re.compile(rb"(?:" + self._passed + rest + rb")*+")

    @cached_property
    def skip_head_pattern(self) -> re.Pattern[bytes]:
        """The pattern of :attr:`skip_head`."""
        in_head = trie(sorted(_TAME_IN_HEAD - self._names)).encode() + rb"(?=[ \t\n\r\f/>])"
        tags = rb"</[hH][eE][aA][dD]>|<" + in_head + self._tame + rb">"
        return re.compile(rb"(?:[ \t\n\r\f]++|" + tags + rb"|" + _BETWEEN + _BACK + rb")*+")

    @cached_property
    def _passed(self) -> bytes:
        surfaced = f"(?:{trie(sorted(self._names.union(_SURFACED.split())))}(?=[ \\t\\n\\r\\f/>])|{_CUSTOM})"
        plain = self._attributes(self._sensitive, self._firsts, common=_uncommon(self._texts))
        return (
            rb"[^<]++"
            rb"|</(?!" + trie(sorted(_ENDS)).encode() + rb"[ \t\n\r\f/>])[a-zA-Z]" + _NAME
            + rb"(?:>|" + _ATTRIBUTES + rb">)"
            rb"|<(?!" + surfaced.encode() + rb")[a-zA-Z]" + _NAME + rb"(?:>|" + plain + rb">)"
        )  # fmt: skip

    @staticmethod
    def _attributes(sensitive: str, firsts: str, common: str, instead: bytes = b"") -> bytes:
        """
        Return the pattern of attributes none of which is sensitive; no space is needed after a quoted value.

        Args:
            sensitive: Pattern of the beginning of a sensitive attribute.
            firsts: The first letters of sensitive names; other names are not examined further.
            common: Prefixes of names that are not examined further.
            instead: Pattern of attributes that are accepted even if ``sensitive`` matches.
        """
        free = "".join(letter for letter in "abcdefghijklmnopqrstuvwxyz" if letter not in firsts)
        quick = f"(?:[{free}{free.upper()}]|{common})".encode() + _NAME_AND_VALUE
        careful = (instead + rb"|" if instead else b"") + rb"(?!" + sensitive.encode() + rb")" + _ATTRIBUTE
        return (
            rb"(?:[ \t\n\r\f/]++(?:" + quick + rb"|(?=>)|" + careful + rb")"
            rb"|(?=[^>])(?<=[\"'])(?:" + careful + rb")" + _BACK + rb")*+"
        )

    @cached_property
    def _tame(self) -> bytes:
        """
        The pattern of attributes whose addresses are plain paths on the page's own host.

        A plain path has no colon, no backslash, no character reference, no control character, no "//" and no dot
        segment (which could hide one of ``paths``), and begins with none of ``paths``.
        """
        beginnings = trie(self._paths, re.escape)
        named = rf"|{beginnings}" if beginnings else ""
        at_start = rf"(?!{beginnings})" if beginnings else ""
        slash = rf"/(?!/|\.|%2[eE]{named})|\?{at_start}"
        plain = []
        if addresses := self._tame_names.intersection(_TAME_ADDRESSES):
            address = trie(sorted(addresses)) + _IS
            address += rf"(?:\"{at_start}(?:[^\":\\&/?\x00-\x1f]++|{slash}|(?!))*+\""
            plain.append(address + rf"|'{at_start}(?:[^':\\&/?\x00-\x1f]++|{slash}|(?!))*+')")
        if lists := self._tame_names.intersection(_TAME_LISTS):
            gap = rf"[ ,\n]{at_start}"
            listed = rf"\"{at_start}(?:[^\":\\&/? ,\x00-\x1f]++|{slash}|{gap}|(?!))*+\""
            plain.append(trie(sorted(lists)) + _IS + listed)
        fetching = trie([*_TAME_ADDRESSES, *_TAME_LISTS, *_NEVER_TAME]) + _NAME_ENDS + "|" + _LAZY
        return self._attributes(
            f"{self._sensitive}|{fetching}",
            self._firsts + "shpiln",
            _uncommon(self._texts, _COMMON_NAMES.replace("data-[abd-z]|", "")),
            "|".join(plain).encode(),
        )

    @property
    def _simple(self) -> list[str]:
        """The elements that a drawing may contain and still be passed over as a whole."""
        return sorted(set(_DRAWING.split()) - self._names | {"use"})

    def _icon(self) -> bytes:
        """Return the pattern of a whole drawing that consists of simple elements only."""
        simple = trie(self._simple).encode() + rb"(?=[ \t\n\r\f/>])"
        firsts = self._firsts + _FOREIGN_FIRSTS
        values = self._attributes(self._foreign_sensitive, firsts, _uncommon(self._texts), _drawn_value(self._texts))
        return (
            rb"<[sS][vV][gG](?=[ \t\n\r\f/>])" + values + rb"(?<!/)>"
            rb"(?:[^<]++|</?" + simple + values + rb">|<title>[^<]*+</title>" + _BACK + rb")*+</[sS][vV][gG]>"
        )


#: Markup inside the text of an element in foreign content or XHTML. The first group is the text of a CDATA section.
_CDATA = rb"<!\[CDATA\[((?:[^\]]++|\](?!\]>)" + _BACK + rb")*+)(?:\]\]>|\Z)"
_TAG_IN_TEXT = rb"</?[a-zA-Z]" + _NAME + _ATTRIBUTES + rb">"
_COMMENT_XML = rb"<!--(?:[^-]++|-(?!->)" + _BACK + rb")*+-->"
MARKUP_IN_TEXT = re.compile(_CDATA + rb"|" + _COMMENT + rb"|" + _BOGUS + rb"|" + _TAG_IN_TEXT)
MARKUP_IN_TEXT_XML = re.compile(_CDATA + rb"|" + _COMMENT_XML + rb"|" + _BOGUS + rb"|" + _TAG_IN_TEXT)

_TEXTS: dict[tuple[bytes, bool], tuple[re.Pattern[bytes], re.Pattern[bytes]]] = {}


def text_with_markup(name: bytes, *, xml: bool) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return two patterns for an element in foreign content or XHTML: of its content, and of its end tag."""
    found = _TEXTS.get((name, xml))
    if found is None:
        # The cache stays small: the only names are those of RAW_TEXT, script and noscript.
        end = rb"</" + (rb"(?:[^ \t\n\r\f/>:]*+:)?" if xml else b"") + _either_case(name.decode()).encode()
        end += rb"(?=[ \t\n\r\f/>])"
        inside = _CDATA.replace(b"((?:", b"(?:(?:") + rb"|" + (_COMMENT_XML if xml else _COMMENT)
        inside += rb"|" + _BOGUS_FOREIGN + rb"|" + _NO_TAG
        passed = re.compile(rb"(?:[^<]++|" + inside + rb"|(?!" + end + rb")" + _TAG_IN_TEXT + _BACK + rb")*+")
        found = _TEXTS[name, xml] = passed, re.compile(end)
    return found


@lru_cache(maxsize=16)
def syntax_for(
    names: tuple[str, ...],
    paths: tuple[str, ...],
    marks: tuple[tuple[str, str], ...],
    html_marks: tuple[tuple[str, str], ...] = (),
) -> Syntax:
    """Return the syntax for these rules; cached, since compiling its patterns takes a quarter of a second."""
    return Syntax(names, paths, marks, html_marks)


_END_TAGS: dict[bytes, re.Pattern[bytes]] = {}


def end_tag(name: bytes) -> re.Pattern[bytes]:
    """Return the pattern of the beginning of the end tag that ends the raw text of ``name``."""
    pattern = _END_TAGS.get(name)
    if pattern is None:
        # The cache stays small: the only names are those of RAW_TEXT, script and noscript.
        pattern = re.compile(rb"</" + _either_case(name.decode()).encode() + rb"(?=[ \t\n\r\f/>])")
        _END_TAGS[name] = pattern
    return pattern


_SCRIPT_MARK = re.compile(rb"<!--|-->|<(/?)[sS][cC][rR][iI][pP][tT](?=[ \t\n\r\f/>])")


class ScriptEnd:
    """
    Finds the end tag of a script, through the escaped and double escaped states.

    It remembers how far it has searched, so that each byte is examined once. Offsets are relative to the start of the
    content.

    https://html.spec.whatwg.org/#script-data-state
    """

    __slots__ = ("_escaped", "at")

    #: The longest incomplete mark at the end of a chunk, in bytes: "</script" and the byte that must follow.
    _TAIL = 9

    def __init__(self) -> None:
        self.at = 0
        self._escaped = 0

    def copy(self) -> ScriptEnd:
        """Return a copy for another reading."""
        twin = ScriptEnd()
        twin.at, twin._escaped = self.at, self._escaped
        return twin

    def find(self, data: bytes | bytearray, start: int, *, final: bool) -> int:
        """Return the offset in ``data`` of the end tag of the script that begins at ``start``, or -1."""
        position = start + self.at
        while found := _SCRIPT_MARK.search(data, position):
            mark = found.group()
            position = found.end()
            if mark == b"<!--":
                if not self._escaped:
                    self._escaped = 1
                # The dashes of "<!-->" are also those of the end.
                position = found.end() - 2
            elif mark == b"-->":
                self._escaped = 0
            elif not found.group(1):
                if self._escaped == 1:
                    self._escaped = 2
            elif self._escaped == 2:
                self._escaped = 1
            else:
                self.at = found.start() - start
                return found.start()
        self.at = max(position, len(data) - self._TAIL) - start
        return -1


_NAME_SO_FAR = re.compile(rb"<(?:/?)[a-zA-Z][^ \t\n\r\f/>]*+")
_NEXT_ATTRIBUTE = re.compile(rb"[ \t\n\r\f/]*+(" + _ATTRIBUTE + rb")")
_END_OF_NAME = re.compile(rb"[ \t\n\r\f/>]")
_END_OF_ATTRIBUTE = re.compile(rb"[ \t\n\r\f/>=]")
_END_OF_UNQUOTED = re.compile(rb"[ \t\n\r\f>]")
_END_OF_QUOTED = {b'"': re.compile(rb'"'), b"'": re.compile(rb"'")}
_SLASHES = re.compile(rb"[ \t\n\r\f/]*+")
_SPACES = re.compile(rb"[ \t\n\r\f]*+")
_NOT_SLASH = re.compile(rb"[^ \t\n\r\f/]")
_NOT_SPACE = re.compile(rb"[^ \t\n\r\f]")


class TagWatch:
    """
    Tells when a tag that a chunk cut may be complete, examining each byte a bounded number of times.

    Offsets are relative to the start of the tag.
    """

    __slots__ = ("_searched", "_wait", "attribute")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start with another tag."""
        #: Where the first incomplete attribute starts; 0 while the element's name is incomplete.
        self.attribute = 0
        self._searched = 0
        self._wait: re.Pattern[bytes] | None = None

    def may_end(self, data: bytes | bytearray, start: int) -> bool:
        """Return whether the tag at ``start`` of ``data`` may be complete now."""
        size = len(data) - start
        if self._wait is not None and not self._wait.search(data, start + self._searched):
            self._searched = size
            return False
        if not self.attribute:
            name = _NAME_SO_FAR.match(data, start)
            if name is None or name.end() == len(data):
                self._wait, self._searched = _END_OF_NAME, size
                return False
            self.attribute = name.end() - start
        self._searched = size
        while found := _NEXT_ATTRIBUTE.match(data, start + self.attribute):
            if _SPACES.match(data, found.end()).end() == len(data):  # type: ignore[union-attr]
                # The attribute may continue, even with "=" after white space.
                self._wait = _END_OF_ATTRIBUTE if found.end() == len(data) else _NOT_SPACE
                return False
            self.attribute = found.end() - start
        at = _SLASHES.match(data, start + self.attribute).end()  # type: ignore[union-attr]
        if data[at : at + 1] == b">":
            self._wait = None
            return True
        if at == len(data):
            self._wait = _NOT_SLASH
            return False
        quote = OPEN_VALUE.match(data, at).group(2)  # type: ignore[union-attr]
        self._wait = _END_OF_QUOTED.get(bytes(quote), _END_OF_UNQUOTED)
        return False
