"""
Passes over the markup of a page that cannot matter.

Theory of operation. A tag *matters* if it may fetch, run or connect, or changes how the following bytes are read. All
other markup only has to be passed over, and that is where the time goes. So :class:`Syntax` composes large patterns
that pass over everything up to the next tag that matters; these depend on the elements and attributes that a site's
rules name.

Most attributes of a tag are ruled out by the first letter of their name. An element that loads something is *tame*, and
passed over as well, if all its addresses are plain paths on the page's own host. A drawing (SVG) that consists of
simple elements is passed over as a whole.

``_scan.c`` does the work of :class:`Syntax` in C, from tables with the same words (:meth:`Syntax.tables`). The patterns
here are its specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from functools import lru_cache
from typing import TYPE_CHECKING

from consent_mw.html import grammar
from consent_mw.html import scan
from consent_mw.html.tokens import BEFORE_THE_BODY
from consent_mw.html.tokens import CHANGES_MODE
from consent_mw.html.tokens import Skip
from consent_mw.html.tokens import end_of_match

if TYPE_CHECKING:
    from consent_mw.html._scan import Scanner

#: Drawing elements: they fetch only through the attributes in _FOREIGN_SENSITIVE.
_DRAWING = (
    "path g circle rect line polyline polygon ellipse defs stop lineargradient radialgradient text tspan symbol"
    " clippath mask pattern marker view metadata switch"
)


_NAME_ENDS = r"(?=[ \t\n\r\f=/>])"
_IS = r"[ \t\n\r\f]*+=[ \t\n\r\f]*+"

#: Code of an event handler that certainly contains no address: no escape, no character reference, no byte whose meaning
#: depends on the charset, no "//", and no quote followed by the start of a host, or by a scheme.
_NO_HOST = r"(?!\.?+[a-z0-9-]++\.|%s[a-zA-Z0-9_]++:)"
_HANDLED = r"(?:[%s]++|/(?!/)|[%s]" + _NO_HOST + "|(?!))*+"
_SPACE = r"[\t\n\r ]*+"
#: Handlers that may contain an address; the holder looks only for addresses in them (CodeMatcher.handler).
_HANDLER = (
    grammar.either_case("on")
    + r"[a-zA-Z][^ \t\n\r\f/>=]*+"
    + _IS
    + r"(?:\""
    + _HANDLED % (r"\t\n\r !#-%(-.0-\[\]-_a-~", "'`", _SPACE)
    + r"[^\"]|'"
    + _HANDLED % (r"\t\n\r !#-%(-.0-\[\]-_a-~", '"`', _SPACE)
    + r"[^']|(?![\"'])"
    + _HANDLED % (r"!#-%(-.0-=?-\[\]-_a-~", "\"'`", "")
    + r"[^ \t\n\r\f>])"
)
#: The start of a style attribute that matters: a function, an escape or a character reference, or a string with a colon
#: or a slash, which may be an address in a custom property. After a quote every slash counts, since it may be inside a
#: comment. A line break ends a string.
_STYLED = (
    r"[^%(end)s%(q)s(\\&]*+(?:[(\\&]|%(q)s"
    r"(?:[^%(end)s%(q)s/:(\\&\n\r\f]*+[%(q)s\n\r\f][^%(end)s%(q)s/(\\&]*+%(q)s|(?!))*+"
    r"[^%(end)s%(q)s/:(\\&\n\r\f]*+(?:[/:(\\&]|[%(q)s\n\r\f][^%(end)s%(q)s/(\\&]*+[/(\\&]))"
)
#: Attributes that may fetch or run something on any element.
_SENSITIVE_NAMES = ("background", "ping", "attributionsrc", "data-consent", "formaction")
_SENSITIVE = (
    _HANDLER
    + "|"
    + grammar.trie(_SENSITIVE_NAMES)
    + _NAME_ENDS
    + "|"
    + grammar.either_case("data-cmw-")
    + "|"
    + grammar.either_case("style")
    + _IS
    + r"(?:\""
    + _STYLED % {"q": "'", "end": '"'}
    + "|'"
    + _STYLED % {"q": '"', "end": "'"}
    + r"|(?![\"'])[^>\"'(\\& \t\n\r\f]*+(?:[(\\&]|[\"'][^>/:(\\& \t\n\r\f]*+[/:(\\&]))"
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
    + grammar.trie(_LINKS)
    + _IS
    + r"(?![\"']?#)|"
    + grammar.trie(PAINTS)
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
_LAZY = f"{grammar.either_case('data-')}(?:[a-zA-Z0-9]+-){{0,3}}?{grammar.trie(LAZY_WORDS)}|{grammar.trie(LAZY_NAMES)}"
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
#: The texts in their values that may lead to another host. Browsers read a backslash as a slash, drop tabs and line
#: breaks, and need no slashes after a scheme other than the page's (https://url.spec.whatwg.org/#url-parsing). Dot
#: segments may hide a path in a rule.
_LEADS_AWAY = ("//", ":", "\\", "\t", "\n", "\r", "/.", "/%2e", "/%2E")


#: A text that can be written in only one way, except by character references or the escapes of a charset.
_PLAIN_TEXT = re.compile(r"[!#-%(-;=?-~]+|[\t\n\r]")
#: A value with one of these bytes may mean something else than it seems to.
_UNCLEAR = "[&\\x1b]"


def _texts_by_name(marks: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return the texts of marks by attribute name; an empty tuple if the attribute counts whatever its value is."""
    texts: dict[str, set[str]] = {}
    for name, text in marks:
        texts.setdefault(name.lower(), set()).add(text)
    # Many attributes have the same texts, which are kept once.
    kept: dict[frozenset[str], tuple[str, ...]] = {}
    for wanted in map(frozenset, texts.values()):
        if wanted not in kept:
            kept[wanted] = tuple(sorted(wanted)) if all(map(_PLAIN_TEXT.fullmatch, wanted)) else ()
    return {name: kept[frozenset(wanted)] for name, wanted in sorted(texts.items())}


def _marked(names: Iterable[str], texts: tuple[str, ...]) -> str:
    """Return the pattern of attributes whose value contains one of these texts, or is unclear."""
    named = grammar.trie(names)
    if not texts:
        return named + _NAME_ENDS
    values = []
    for quote, ends in (('"', '"'), ("'", "'"), ("(?![\"'])", " \t\n\r\f>")):
        inside = grammar.trie([text for text in texts if not set(text) & set(ends)], re.escape)
        any_of = f"(?:{inside}|{_UNCLEAR})" if inside else _UNCLEAR
        values.append(rf"{quote}(?:(?!{any_of})[^{ends}]|(?!))*+{any_of}")
    return f"{named}{_IS}(?:{'|'.join(values)})"


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
    """Return the alternatives that these marks add to a pattern of sensitive attributes."""
    names: dict[tuple[str, ...], list[str]] = {}
    for name, wanted in texts.items():
        names.setdefault(wanted, []).append(name)
    return "".join(f"|{_marked(alike, wanted)}" for wanted, alike in names.items())


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
        drawing = grammar.trie(sorted(set(_DRAWING.split()) - names)).encode()
        value = _drawn_value(texts)
        drawn = (
            rb"(?=[ \t\n\r\f/>])(?:[ \t\n\r\f]++(?:"
            + (value + rb"|" if value else b"")
            + rb"(?!"
            + (_FOREIGN_SENSITIVE + _any_mark(texts)).encode()
            + rb")"
            rb"[a-zA-Z][a-zA-Z0-9:_-]*+=(?:\"[^\"]*+\"|'[^']*+'))" + grammar.BACK + rb")*+[ \t\n\r\f]*+"
        )
        #: A drawing element that does not matter: its start tag (1: the name; 2: a slash that closes it) and, if it
        #: contains only text, its end tag (3). One that stays open must be recorded for its end tag. CPython loses
        #: track of a capturing group in a possessive repeat, so ``skip`` cannot include these: each is a stop.
        self.drawn = re.compile(rb"<(" + drawing + rb")" + drawn + rb"(?:(/)>|>(?:[^<]*+(</\1>))?)")
        #: The counterpart of Syntax.skip for foreign content: text, CDATA sections, and self-closing drawing elements.
        self.skip = re.compile(
            rb"(?:[^<]++|<" + drawing + drawn + rb"/>"
            # A section with a ">" in it contains markup for a preload scanner: see TextReader.cdata.
            rb"|<!\[CDATA\[(?:[^\]>]++|\](?!\]>)" + grammar.BACK + rb")*+\]\]>"
            rb"|" + grammar.COMMENT + rb"|" + grammar.BOGUS_FOREIGN + rb"|" + grammar.NO_TAG + grammar.BACK + rb")*+"
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
            (name, text)
            for name in (*LAZY_BACKGROUNDS, *LAZY_BY_CLASS)
            for text in (*_LEADS_AWAY, *self._paths)
            if name not in named_by_rules
        )
        # An address attribute that a rule names is never tame, and a rule for the path "/" applies to every address.
        tame = () if "" in self._paths else (*_TAME_ADDRESSES, *_TAME_LISTS)
        self._tame_names = frozenset(tame).difference(named_by_rules)
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
        marks = {texts: tuple(text.encode() for text in texts) for texts in self._texts.values() if texts}
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
            marks=tuple((name.encode(), marks[texts]) for name, texts in self._texts.items() if texts),
        )

    # -- the patterns that the scanner in C replaces; compiling them takes a tenth of a second

    @cached_property
    def skip_pattern(self) -> re.Pattern[bytes]:
        """The pattern of :attr:`skip`."""
        return re.compile(
            rb"(?:" + self._passed + rb"|" + grammar.BETWEEN + rb"|" + grammar.NO_TAG + grammar.BACK + rb")*+"
        )

    @cached_property
    def skip_local_pattern(self) -> re.Pattern[bytes]:
        """The pattern of :attr:`skip_local`."""
        tame = (
            rb"<" + grammar.trie(sorted(_TAMEABLE - self._names)).encode() + rb"(?=[ \t\n\r\f/>])" + self._tame + rb">"
        )
        rest = rb"|" + tame + rb"|" + self._icon() + rb"|" + grammar.BETWEEN + rb"|" + grammar.NO_TAG + grammar.BACK
        return re.compile(rb"(?:" + self._passed + rest + rb")*+")

    @cached_property
    def skip_head_pattern(self) -> re.Pattern[bytes]:
        """The pattern of :attr:`skip_head`."""
        in_head = grammar.trie(sorted(_TAME_IN_HEAD - self._names)).encode() + rb"(?=[ \t\n\r\f/>])"
        tags = rb"</[hH][eE][aA][dD]>|<" + in_head + self._tame + rb">"
        return re.compile(rb"(?:[ \t\n\r\f]++|" + tags + rb"|" + grammar.BETWEEN + grammar.BACK + rb")*+")

    @cached_property
    def _sensitive(self) -> str:
        return _SENSITIVE + _any_mark(self._texts)

    @cached_property
    def _foreign_sensitive(self) -> str:
        return _FOREIGN_SENSITIVE + _any_mark(self._texts)

    @cached_property
    def _passed(self) -> bytes:
        surfaced = f"(?:{grammar.trie(sorted(self._names.union(_SURFACED.split())))}(?=[ \\t\\n\\r\\f/>])|{_CUSTOM})"
        plain = self._attributes(self._sensitive, self._firsts, common=_uncommon(self._texts))
        return (
            rb"[^<]++"
            rb"|</(?!" + grammar.trie(sorted(_ENDS)).encode() + rb"[ \t\n\r\f/>])[a-zA-Z]" + grammar.NAME
            + rb"(?:>|" + grammar.ATTRIBUTES + rb">)"
            rb"|<(?!" + surfaced.encode() + rb")[a-zA-Z]" + grammar.NAME + rb"(?:>|" + plain + rb">)"
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
        quick = f"(?:[{free}{free.upper()}]|{common})".encode() + grammar.NAME_AND_VALUE
        careful = (instead + rb"|" if instead else b"") + rb"(?!" + sensitive.encode() + rb")" + grammar.ATTRIBUTE
        return (
            rb"(?:[ \t\n\r\f/]++(?:" + quick + rb"|(?=>)|" + careful + rb")"
            rb"|(?=[^>])(?<=[\"'])(?:" + careful + rb")" + grammar.BACK + rb")*+"
        )

    @cached_property
    def _tame(self) -> bytes:
        """
        The pattern of attributes whose addresses are plain paths on the page's own host.

        A plain path has no colon, no backslash, no character reference, no control character, no "//" and no dot
        segment (which could hide one of ``paths``), and begins with none of ``paths``.
        """
        beginnings = grammar.trie(self._paths, re.escape)
        named = rf"|{beginnings}" if beginnings else ""
        at_start = rf"(?!{beginnings})" if beginnings else ""
        slash = rf"/(?!/|\.|%2[eE]{named})|\?{at_start}"
        plain = []
        if addresses := self._tame_names.intersection(_TAME_ADDRESSES):
            address = grammar.trie(sorted(addresses)) + _IS
            address += rf"(?:\"{at_start}(?:[^\":\\&/?\x00-\x1f]++|{slash}|(?!))*+\""
            plain.append(address + rf"|'{at_start}(?:[^':\\&/?\x00-\x1f]++|{slash}|(?!))*+')")
        if lists := self._tame_names.intersection(_TAME_LISTS):
            gap = rf"[ ,\n]{at_start}"
            listed = rf"\"{at_start}(?:[^\":\\&/? ,\x00-\x1f]++|{slash}|{gap}|(?!))*+\""
            plain.append(grammar.trie(sorted(lists)) + _IS + listed)
        fetching = grammar.trie([*_TAME_ADDRESSES, *_TAME_LISTS, *_NEVER_TAME]) + _NAME_ENDS + "|" + _LAZY
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
        simple = grammar.trie(self._simple).encode() + rb"(?=[ \t\n\r\f/>])"
        firsts = self._firsts + _FOREIGN_FIRSTS
        values = self._attributes(self._foreign_sensitive, firsts, _uncommon(self._texts), _drawn_value(self._texts))
        return (
            rb"<[sS][vV][gG](?=[ \t\n\r\f/>])" + values + rb"(?<!/)>"
            rb"(?:[^<]++|</?" + simple + values + rb">|<title>[^<]*+</title>" + grammar.BACK + rb")*+</[sS][vV][gG]>"
        )


@lru_cache(maxsize=16)
def syntax_for(
    names: tuple[str, ...],
    paths: tuple[str, ...],
    marks: tuple[tuple[str, str], ...],
    html_marks: tuple[tuple[str, str], ...] = (),
) -> Syntax:
    """Return the syntax for these rules; cached, since compiling its patterns takes a quarter of a second."""
    return Syntax(names, paths, marks, html_marks)
