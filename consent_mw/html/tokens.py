"""
A byte tokenizer for HTML: compiled patterns that find where tags, comments and text end, and sets of element names.

They follow the states of the HTML Standard (https://html.spec.whatwg.org/#tokenization), and do not depend on a site's
rules: each matches one tag, one attribute, or the text between two tags. :mod:`consent_mw.html.syntax` passes over
whole stretches of a page.

The patterns work on any ASCII-compatible bytes. A match ends before a construct that is incomplete: the reading then
waits for more bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from consent_mw.html import grammar
from consent_mw.html import scan

#: A complete start or end tag: slash, name.
TAG = re.compile(rb"<(/?)([a-zA-Z]" + grammar.NAME + rb")" + grammar.ATTRIBUTES + rb">")

#: The attributes of a tag that is known to be complete: name, then the value in one of three groups.
ATTRIBUTE = re.compile(
    rb"([^ \t\n\r\f/>][^ \t\n\r\f/>=]*+)"
    rb"(?:[ \t\n\r\f]*+=[ \t\n\r\f]*+(?:\"([^\"]*+)\"|'([^']*+)'|([^ \t\n\r\f\"'>][^ \t\n\r\f>]*+)|(?=>)))?"
)

#: The complete attributes of an incomplete tag; and an attribute whose quoted value may have no end yet.
ATTRIBUTES_SO_FAR = re.compile(grammar.ATTRIBUTES)
OPEN_VALUE = re.compile(rb"([^ \t\n\r\f/>][^ \t\n\r\f/>=]*+)[ \t\n\r\f]*+=[ \t\n\r\f]*+([\"']?)")

COMMENT_END = re.compile(rb"--!?>")
CDATA_START = b"<![CDATA["

#: Text, comments and bogus comments.
NO_TAGS = re.compile(
    rb"(?:[^<]++|" + grammar.COMMENT + rb"|" + grammar.BOGUS + rb"|" + grammar.NO_TAG + grammar.BACK + rb")*+"
)

#: Text, comments and CDATA sections in foreign content; only sections without a ">" (see TextReader.cdata).
NO_TAGS_FOREIGN = re.compile(
    rb"(?:[^<]++|<!\[CDATA\[(?:[^\]>]++|\](?!\]>)"
    + grammar.BACK
    + rb")*+\]\]>|"
    + grammar.COMMENT
    + rb"|"
    + grammar.BOGUS_FOREIGN
    + rb"|"
    + grammar.NO_TAG
    + grammar.BACK
    + rb")*+"
)

#: One piece of a page: text (1), the name of an end tag (2) or start tag (3), a DOCTYPE (4), or a comment (no group).
PIECE = re.compile(
    rb"([^<]++|<(?=[^a-zA-Z!/?]))|</([a-zA-Z]" + grammar.NAME + rb")" + grammar.ATTRIBUTES + rb">"
    rb"|<([a-zA-Z]"
    + grammar.NAME
    + rb")"
    + grammar.ATTRIBUTES
    + rb">|"
    + grammar.COMMENT
    + rb"|(<![dD][oO][cC][tT][yY][pP][eE][^>]*+>)|"
    + grammar.BOGUS
)

#: As NO_TAGS, for XML: comments end only at "-->", CDATA is text, and processing instructions end at "?>".
NO_TAGS_XML = re.compile(
    rb"(?:[^<]++|<!--(?:[^-]++|-(?!->)%(back)s)*+-->|<!\[CDATA\[(?:[^\]]++|\](?!\]>)%(back)s)*+\]\]>"
    rb"|<!DOCTYPE[^>\[]*+>|<\?(?!xml-stylesheet)(?:[^?]++|\?(?!>)%(back)s)*+\?>%(back)s)*+" % {b"back": grammar.BACK}
)

#: What may come before the body without opening it, apart from tags.
BEFORE_BODY = re.compile(rb"(?:[ \t\n\r\f]++|" + grammar.COMMENT + rb"|" + grammar.BOGUS + grammar.BACK + rb")*+")

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

#: Markup inside the text of an element in foreign content or XHTML. The first group is the text of a CDATA section.
_CDATA = rb"<!\[CDATA\[((?:[^\]]++|\](?!\]>)" + grammar.BACK + rb")*+)(?:\]\]>|\Z)"
_TAG_IN_TEXT = rb"</?[a-zA-Z]" + grammar.NAME + grammar.ATTRIBUTES + rb">"
_COMMENT_XML = rb"<!--(?:[^-]++|-(?!->)" + grammar.BACK + rb")*+-->"
MARKUP_IN_TEXT = re.compile(_CDATA + rb"|" + grammar.COMMENT + rb"|" + grammar.BOGUS + rb"|" + _TAG_IN_TEXT)
MARKUP_IN_TEXT_XML = re.compile(_CDATA + rb"|" + _COMMENT_XML + rb"|" + grammar.BOGUS + rb"|" + _TAG_IN_TEXT)

_TEXTS: dict[tuple[bytes, bool], tuple[re.Pattern[bytes], re.Pattern[bytes]]] = {}


def text_with_markup(name: bytes, *, xml: bool) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return two patterns for an element in foreign content or XHTML: of its content, and of its end tag."""
    found = _TEXTS.get((name, xml))
    if found is None:
        # The cache stays small: the only names are those of RAW_TEXT, script and noscript.
        end = rb"</" + (rb"(?:[^ \t\n\r\f/>:]*+:)?" if xml else b"") + grammar.either_case(name.decode()).encode()
        end += rb"(?=[ \t\n\r\f/>])"
        inside = _CDATA.replace(b"((?:", b"(?:(?:") + rb"|" + (_COMMENT_XML if xml else grammar.COMMENT)
        inside += rb"|" + grammar.BOGUS_FOREIGN + rb"|" + grammar.NO_TAG
        passed = re.compile(rb"(?:[^<]++|" + inside + rb"|(?!" + end + rb")" + _TAG_IN_TEXT + grammar.BACK + rb")*+")
        found = _TEXTS[name, xml] = passed, re.compile(end)
    return found


_END_TAGS: dict[bytes, re.Pattern[bytes]] = {}


def end_tag(name: bytes) -> re.Pattern[bytes]:
    """Return the pattern of the beginning of the end tag that ends the raw text of ``name``."""
    pattern = _END_TAGS.get(name)
    if pattern is None:
        # The cache stays small: the only names are those of RAW_TEXT, script and noscript.
        pattern = re.compile(rb"</" + grammar.either_case(name.decode()).encode() + rb"(?=[ \t\n\r\f/>])")
        _END_TAGS[name] = pattern
    return pattern
