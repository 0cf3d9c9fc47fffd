"""
A byte tokenizer for HTML: what ends where, by the states of the HTML Standard.

The patterns work on any ASCII-compatible bytes and never backtrack over a
repeat, so each is linear. :class:`Syntax` holds the two that depend on which
element names matter; the rest are module constants. Long because the patterns of a page build on one another. See
https://html.spec.whatwg.org/#tokenization.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from functools import lru_cache


def _either_case(text: str) -> str:
    return "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else re.escape(c) for c in text)


#: ASCII white space of HTML: not \\s, which has the vertical tab too.
WS = rb"[ \t\n\r\f]"
_NAME = rb"[^ \t\n\r\f/>]*+"

#: An attribute's value behind "=": quoted, unquoted, or missing before ">".
_VALUE = rb"(?:\"[^\"]*+\"|'[^']*+'|[^ \t\n\r\f\"'>][^ \t\n\r\f>]*+|(?=>))"
#: A first "=" belongs to the name (before attribute name state). An "=" whose value does not end fails the whole tag.
_NAME_AND_VALUE = rb"[^ \t\n\r\f/>=]*+(?:=\"[^\"]*+\"|[ \t\n\r\f]*+=[ \t\n\r\f]*+" + _VALUE + rb"|(?![ \t\n\r\f]*+=))"
_ATTRIBUTE = rb"[^ \t\n\r\f/>]" + _NAME_AND_VALUE
#: Until 3.11.5 Python does not step back out of a possessive group that fails halfway (CPython issue 106052); a last
#: branch that fails at once makes it do so, and is quicker than an atomic group around a plain repeat.
_BACK = rb"|(?!)"
_ATTRIBUTES = rb"(?:[ \t\n\r\f/]++|" + _ATTRIBUTE + _BACK + rb")*+"

#: A complete start or end tag: slash, name.
TAG = re.compile(rb"<(/?)([a-zA-Z]" + _NAME + rb")" + _ATTRIBUTES + rb">")

#: The attributes of a tag that is known to be complete: name, then the value in one of three groups.
ATTRIBUTE = re.compile(
    rb"([^ \t\n\r\f/>][^ \t\n\r\f/>=]*+)"
    rb"(?:[ \t\n\r\f]*+=[ \t\n\r\f]*+(?:\"([^\"]*+)\"|'([^']*+)'|([^ \t\n\r\f\"'>][^ \t\n\r\f>]*+)|(?=>)))?"
)

#: The same for a tag that goes on: a quoted value may lack its end.
ATTRIBUTES_SO_FAR = re.compile(_ATTRIBUTES)
OPEN_VALUE = re.compile(rb"([^ \t\n\r\f/>][^ \t\n\r\f/>=]*+)[ \t\n\r\f]*+=[ \t\n\r\f]*+([\"']?)")

_COMMENT = rb"<!--(?:-?>|(?:[^-]++|-(?!-!?>)" + _BACK + rb")*+--!?>)"
#: Bogus comments and doctypes end at the first ">", quotes or not.
_BOGUS = rb"<!(?!--)[^>]*+>|<\?[^>]*+>|</[^a-zA-Z>][^>]*+>|</>"
_NO_TAG = rb"<(?=[^a-zA-Z!/?])"
#: The same where "<![CDATA[" begins a section.
_BOGUS_FOREIGN = rb"<!(?!--|\[CDATA\[)[^>]*+>|<\?[^>]*+>|</[^a-zA-Z>][^>]*+>|</>"

COMMENT_END = re.compile(rb"--!?>")
CDATA_START = b"<![CDATA["

#: Text, comments and what is read as one.
NO_TAGS = re.compile(rb"(?:[^<]++|" + _COMMENT + rb"|" + _BOGUS + rb"|" + _NO_TAG + _BACK + rb")*+")

#: Text, comments and CDATA sections of foreign content; of these, those without a ">" (see TextReader.cdata).
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

#: One piece of a page: text (1), the name of an end tag (2) or start tag (3), a DOCTYPE (4), or nothing that counts.
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

#: The same in XML, where comments end otherwise, CDATA is text and processing instructions have an end of their own.
NO_TAGS_XML = re.compile(
    rb"(?:[^<]++|<!--(?:[^-]++|-(?!->)%(back)s)*+-->|<!\[CDATA\[(?:[^\]]++|\](?!\]>)%(back)s)*+\]\]>"
    rb"|<!DOCTYPE[^>\[]*+>|<\?(?!xml-stylesheet)(?:[^?]++|\?(?!>)%(back)s)*+\?>%(back)s)*+" % {b"back": _BACK}
)

#: What may stand before the body without opening it, tags apart.
BEFORE_BODY = re.compile(rb"(?:[ \t\n\r\f]++|" + _COMMENT + rb"|" + _BOGUS + _BACK + rb")*+")

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

#: Drawing elements: they fetch nothing but through the attributes that FOREIGN_SENSITIVE names.
_DRAWING = (
    "path g circle rect line polyline polygon ellipse defs stop lineargradient radialgradient text tspan symbol"
    " clippath mask pattern marker view metadata switch"
)


def _trie(words: Iterable[str], letter: Callable[[str], str] = _either_case) -> str:
    """Return a pattern for any of ``words``, branching letter by letter; of one that begins another, the shorter."""
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

#: Names of attributes that may fetch or run something on any element. A style matters when a function, an escape
#: or a character reference occurs in it.
_SENSITIVE = (
    _either_case("on")
    + "[a-zA-Z]|"
    + _trie(["background", "ping", "attributionsrc", "data-consent", "formaction"])
    + _NAME_ENDS
    + "|"
    + _either_case("data-cmw-")
    + "|"
    + _either_case("style")
    + _IS
    + r"(?:\"[^\"(\\&]*+[(\\&]|'[^'(\\&]*+[(\\&]|(?![\"'])[^>(\\& \t\n\r\f]*+[(\\&])"
)
#: What makes a value matter in which "url(#...)" alone may stand, between two quotes or up to its end.
_NAMES_FILE = r"[^%s(\\&]*+(?:[(][ \t\n\r\f]*+#[^%s(\\&]*+|(?!))*+[(\\&]"
#: In drawings, besides: links, and presentation attributes that name another file.
_FOREIGN_SENSITIVE = (
    _SENSITIVE
    + "|"
    + _trie(["href", "xlink:href"])
    + _IS
    + r"(?![\"']?#)|"
    + _trie(["fill", "stroke", "mask", "filter", "clip-path", "cursor", "marker"])
    + r"[a-zA-Z-]*+"
    + _IS
    + r"(?:\""
    + _NAMES_FILE % ('"', '"')
    + "|'"
    + _NAMES_FILE % ("'", "'")
    + r"|(?![\"'])"
    + _NAMES_FILE % ((r"> \t\n\r\f",) * 2)
    + ")"
)

_FOREIGN_FIRSTS = "hxsmc"
#: Beginnings of names that pages are full of, and no sensitive name begins with; they need no closer look.
_COMMON_NAMES = "alt|aria-|data-[abd-z]|decoding|height|id|loading|sizes|xmlns"
#: What drawings are full of: values without a function lead nowhere.
_DRAWN_VALUE = rb"(?:d|class|(?:fill|stroke)[a-z-]*+)=\"[^\"(\\&]*+\""

#: Elements at which the tokenizer stops: they fetch, run, change the tokenizer's state or the base URL.
_SURFACED = (
    "script style svg math img image iframe input link meta base body noscript noembed noframes source title textarea"
    " track xmp plaintext object embed video audio frame frameset select bgsound template model form"
)
#: Custom elements fetch by code of their own.
_CUSTOM = "[a-zA-Z][a-zA-Z0-9._]*+-"
#: Those of them that are harmless while all their addresses lead to the page's own host.
_TAMEABLE = frozenset({"img", "source", "input", "link", "meta", "video", "audio", "track"})
_TAME_ADDRESSES = ("src", "href", "poster", "data-src", "data-lazy-src", "data-original")
_TAME_LISTS = ("srcset", "imagesrcset", "data-srcset", "data-lazy-srcset")
#: Names of attributes that loaders take addresses from.
_LAZY = (
    r"[dD][aA][tT][aA]-(?:[a-zA-Z0-9]+-){0,3}?(?:[sS][rR][cC]|lazy|cfsrc|ezsrc|original|echo|bg|background|url|iframe)"
    r"|[lL][aA][zZ][yY]-[sS]"
)
_NEVER_TAME = ("http-equiv", "lowsrc", "dynsrc")


def _marked(marks: Iterable[tuple[str, str]]) -> str:
    """Return the pattern, as an alternative, of attributes whose value has one of their texts in it."""
    texts: dict[str, list[str]] = {}
    for name, text in marks:
        texts.setdefault(name, []).append(text)
    pattern = ""
    for name, wanted in texts.items():
        if "" in wanted:
            pattern += f"|{_either_case(name)}{_NAME_ENDS}"
            continue
        any_of = _trie(sorted(wanted), re.escape)
        values = (
            rf"{quote}(?:(?!{any_of})[^{ends}]|(?!))*+{any_of}"
            for quote, ends in (('"', '"'), ("'", "'"), ("(?![\"'])", r" \t\n\r\f>"))
        )
        pattern += f"|{_either_case(name)}{_IS}(?:{'|'.join(values)})"
    return pattern


def _uncommon(names: Iterable[str]) -> str:
    """Return the beginnings of names that need no closer look where these names need one."""
    names = list(names)
    kept = []
    for begins in _COMMON_NAMES.split("|"):
        pattern = re.compile(begins)
        if not any(pattern.match(name) for name in names):
            kept.append(begins)
    return "|".join(kept)


class Syntax:
    """
    The patterns that pass over what does not matter.

    Args:
        names: Element names to stop at besides the built-in ones.
        attributes: Attribute names to stop at besides the built-in ones.
        paths: Beginnings of paths ("/...") to stop at on the page's own host.
        marks: Attributes to stop at where their value has a text in it; with no text, always.
    """

    def __init__(
        self,
        names: Iterable[str] = (),
        attributes: Iterable[str] = (),
        paths: Iterable[str] = (),
        marks: Iterable[tuple[str, str]] = (),
    ) -> None:
        names, attributes, marks = set(names), list(attributes), list(marks)
        extra = "".join(f"|{_either_case(name)}{_NAME_ENDS}" for name in attributes) + _marked(marks)
        attributes += {name for name, _ in marks}
        surfaced = "(?:" + _trie([*_SURFACED.split(), *names]) + "(?=[ \\t\\n\\r\\f/>])|" + _CUSTOM + ")"
        firsts = "obpadsf" + "".join(name[0].lower() for name in attributes)
        common = _uncommon(name for name, _ in marks)
        plain = self._attributes(_SENSITIVE + extra, firsts, common=common)
        ends = _trie(["body", "noscript", "select", "template"]).encode()
        passed = (
            rb"[^<]++"
            rb"|</(?!" + ends + rb"[ \t\n\r\f/>])[a-zA-Z]" + _NAME + rb"(?:>|" + _ATTRIBUTES + rb">)"
            rb"|<(?!" + surfaced.encode() + rb")[a-zA-Z]" + _NAME + rb"(?:>|" + plain + rb">)"
        )
        rest = rb"|" + _COMMENT + rb"|" + _BOGUS + rb"|" + _NO_TAG
        #: Passes over text, comments, and tags that cannot matter in HTML content.
        self.skip = re.compile(rb"(?:" + passed + rest + _BACK + rb")*+")
        tame_values = self._tame_values(_SENSITIVE + extra, firsts, tuple(paths))
        tame = rb"<" + _trie(sorted(_TAMEABLE - names)).encode() + rb"(?=[ \t\n\r\f/>])" + tame_values + rb">"
        in_head = _trie(sorted({"html", "head", "meta", "link"} - names)).encode() + rb"(?=[ \t\n\r\f/>])"
        #: Passes over what stands before the body and does not matter, under the same conditions as skip_local.
        self.head_local = re.compile(
            rb"(?:[ \t\n\r\f]++|</[hH][eE][aA][dD]>|<" + in_head + tame_values + rb">" + rest + _BACK + rb")*+"
        )
        icon = self._icon(_FOREIGN_SENSITIVE + extra, firsts + _FOREIGN_FIRSTS, names)
        #: The same where relative URLs stay on the page's own host, and no rule but ``paths`` is for that.
        self.skip_local = re.compile(rb"(?:" + passed + rb"|" + tame + rb"|" + icon + rest + _BACK + rb")*+")
        drawing = _trie(set(_DRAWING.split()) - names).encode()
        drawn = (
            rb"(?=[ \t\n\r\f/>])(?:[ \t\n\r\f]++(?:"
            + _DRAWN_VALUE
            + rb"|(?!"
            + (_FOREIGN_SENSITIVE + extra).encode()
            + rb")"
            rb"[a-zA-Z][a-zA-Z0-9:_-]*+=(?:\"[^\"]*+\"|'[^']*+'))" + _BACK + rb")*+[ \t\n\r\f]*+"
        )
        #: A drawing element that can hold nothing: its tag (1: of what name), and where it has no more in it than text,
        #: its end tag (3, or 2 for a slash). One that stays open matters for what its end tag closes. A group that is
        #: captured must not stand in a possessive repeat (CPython loses its place), so each such element is a stop.
        self.drawn = re.compile(rb"<(" + drawing + rb")" + drawn + rb"(?:(/)>|>(?:[^<]*+(</\1>))?)")
        #: The same as skip in foreign content: text, CDATA sections, and drawing elements that close themselves.
        self.skip_foreign = re.compile(
            rb"(?:[^<]++|<" + drawing + drawn + rb"/>"
            # One with a ">" in it is markup to those who only look ahead: see TextReader.cdata.
            rb"|<!\[CDATA\[(?:[^\]>]++|\](?!\]>)" + _BACK + rb")*+\]\]>"
            rb"|" + _COMMENT + rb"|" + _BOGUS_FOREIGN + rb"|" + _NO_TAG + _BACK + rb")*+"
        )

    @staticmethod
    def _attributes(sensitive: str, firsts: str, instead: bytes = b"", common: str = _COMMON_NAMES) -> bytes:
        """
        Return the pattern of attributes of which none is sensitive; after a quoted value no space is needed.

        Args:
            sensitive: Pattern of the beginning of a sensitive attribute.
            firsts: The letters that one may begin with; other names need not be looked at closer.
            instead: Another pattern that an attribute may have.
            common: Beginnings of names that need no closer look.
        """
        free = "".join(letter for letter in "abcdefghijklmnopqrstuvwxyz" if letter not in firsts)
        quick = f"(?:[{free}{free.upper()}]|{common})".encode() + _NAME_AND_VALUE
        careful = (instead + rb"|" if instead else b"") + rb"(?!" + sensitive.encode() + rb")" + _ATTRIBUTE
        return (
            rb"(?:[ \t\n\r\f/]++(?:" + quick + rb"|(?=>)|" + careful + rb")"
            rb"|(?=[^>])(?<=[\"'])(?:" + careful + rb")" + _BACK + rb")*+"
        )

    def _tame_values(self, sensitive: str, firsts: str, paths: tuple[str, ...]) -> bytes:
        """
        Return the pattern of attributes whose addresses are plainly paths on the page's own host.

        Plainly: no colon, no backslash, no character reference, no control
        character, no "//", no dot segment (which could hide one of ``paths``), and
        nothing that ``paths`` name.
        """
        beginnings = _trie([path[1:] for path in paths], re.escape)
        named = rf"|{beginnings}" if beginnings else ""
        at_start = rf"(?!{beginnings})" if beginnings else ""
        slash = rf"/(?!/|\.|%2[eE]{named})"
        address = _trie(_TAME_ADDRESSES) + _IS
        address += rf"(?:\"{at_start}(?:[^\":\\&/\x00-\x1f]++|{slash}|(?!))*+\""
        address += rf"|'{at_start}(?:[^':\\&/\x00-\x1f]++|{slash}|(?!))*+')"
        listed = _trie(_TAME_LISTS) + _IS
        gap = rf"[ ,\n]{at_start}"
        listed += rf"\"{at_start}(?:[^\":\\&/ ,\x00-\x1f]++|{slash}|{gap}|(?!))*+\""
        fetching = _trie([*_TAME_ADDRESSES, *_TAME_LISTS, *_NEVER_TAME]) + _NAME_ENDS
        fetching += "|" + _LAZY
        return self._attributes(
            f"{sensitive}|{fetching}",
            firsts + "shpil",
            f"{address}|{listed}".encode(),
            _COMMON_NAMES.replace("data-[abd-z]|", ""),
        )

    def _icon(self, sensitive: str, firsts: str, names: set[str]) -> bytes:
        """Return the pattern of a whole drawing of simple elements, with no way out of it."""
        simple = _trie(sorted(set(_DRAWING.split()) - names | {"use"})).encode() + rb"(?=[ \t\n\r\f/>])"
        values = self._attributes(sensitive, firsts, _DRAWN_VALUE)
        return (
            rb"<[sS][vV][gG](?=[ \t\n\r\f/>])" + values + rb"(?<!/)>"
            rb"(?:[^<]++|</?" + simple + values + rb">|<title>[^<]*+</title>" + _BACK + rb")*+</[sS][vV][gG]>"
        )


#: In foreign content and XHTML the text of an element has markup in it; the first group is text that looks like it.
_CDATA = rb"<!\[CDATA\[((?:[^\]]++|\](?!\]>)" + _BACK + rb")*+)(?:\]\]>|\Z)"
_TAG_IN_TEXT = rb"</?[a-zA-Z]" + _NAME + _ATTRIBUTES + rb">"
_COMMENT_XML = rb"<!--(?:[^-]++|-(?!->)" + _BACK + rb")*+-->"
MARKUP_IN_TEXT = re.compile(_CDATA + rb"|" + _COMMENT + rb"|" + _BOGUS + rb"|" + _TAG_IN_TEXT)
MARKUP_IN_TEXT_XML = re.compile(_CDATA + rb"|" + _COMMENT_XML + rb"|" + _BOGUS + rb"|" + _TAG_IN_TEXT)

_TEXTS: dict[tuple[bytes, bool], tuple[re.Pattern[bytes], re.Pattern[bytes]]] = {}


def text_with_markup(name: bytes, *, xml: bool) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return what passes over the content of an element in foreign content or XHTML, and its end tag."""
    found = _TEXTS.get((name, xml))
    if found is None:
        # Only names of RAW_TEXT, script and noscript come here, so this stays small.
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
    attributes: tuple[str, ...],
    paths: tuple[str, ...],
    marks: tuple[tuple[str, str], ...] = (),
) -> Syntax:
    """Return the patterns for these rules; to compile them takes a tenth of a second, and sites share a catalogue."""
    return Syntax(names, attributes, paths, marks)


_END_TAGS: dict[bytes, re.Pattern[bytes]] = {}


def end_tag(name: bytes) -> re.Pattern[bytes]:
    """Return the pattern of the beginning of the end tag that closes the raw text of ``name``."""
    pattern = _END_TAGS.get(name)
    if pattern is None:
        # Only names of RAW_TEXT, script and noscript come here, so this stays small.
        pattern = re.compile(rb"</" + _either_case(name.decode()).encode() + rb"(?=[ \t\n\r\f/>])")
        _END_TAGS[name] = pattern
    return pattern


_SCRIPT_MARK = re.compile(rb"<!--|-->|<(/?)[sS][cC][rR][iI][pP][tT](?=[ \t\n\r\f/>])")


class ScriptEnd:
    """
    Finds the end tag of a script, through the escaped and double escaped states.

    Remembers how far it looked, so that each byte is looked at once. Offsets
    are relative to where the content begins.

    https://html.spec.whatwg.org/#script-data-state
    """

    __slots__ = ("_escaped", "at")

    #: A mark that is not complete at the end of a chunk: "</script" and what must follow.
    _TAIL = 9

    def __init__(self) -> None:
        self.at = 0
        self._escaped = 0

    def copy(self) -> ScriptEnd:
        """Return the same for another reader."""
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
                # "<!-->" ends at once: its dashes count for the end too.
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
    Tells when a tag that was cut may be complete, looking at each byte a bounded number of times.

    Offsets are relative to where the tag begins.
    """

    __slots__ = ("_searched", "_wait", "attribute")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin with another tag."""
        #: Where the attribute begins that was not complete; 0 while the element's name was not.
        self.attribute = 0
        self._searched = 0
        self._wait: re.Pattern[bytes] | None = None

    def may_end(self, data: bytes | bytearray, start: int) -> bool:
        """Whether the tag at ``start`` of ``data`` is worth another look."""
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
                # It may go on, with "=" behind white space too.
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
