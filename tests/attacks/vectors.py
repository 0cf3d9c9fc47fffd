"""
Attempts to bypass the holds, found by reading the standards; each with its section.

A vector is a response that makes some browser request something from the tracker, or run its code, if it is sent as is.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

_DOC = "<!doctype html><body>"
_IMG = '<img src="https://tracker.example/x.gif">'
_URL = "url(https://tracker.example/x)"
_HTML = "text/html; charset=utf-8"
_XHTML = '<html xmlns="http://www.w3.org/1999/xhtml"><body>%s</body></html>'


class Vector(NamedTuple):
    """A response, and the section of a standard that defines how browsers treat it."""

    section: str
    page: bytes
    content_type: str | None = _HTML
    headers: tuple[tuple[str, str], ...] = ()
    #: The charset with which a browser decodes it, if no header states it.
    decoded_as: str = ""
    #: The scheme by which the request reaches the server; browsers always use https.
    scheme: str = "https"


def _page(section: str, markup: str, doc: str = _DOC) -> Vector:
    return Vector(section, (doc + markup).encode())


def _css(section: str, sheet: str) -> Vector:
    return _page(section, f"<style>{sheet}</style>")


def _bytes(section: str, body: bytes, label: str, decoded_as: str = "") -> Vector:
    kind = f"text/html; charset={label}" if label else "text/html"
    return Vector(section, _DOC.encode() + body, kind, decoded_as=decoded_as)


def _frame(section: str, address: str) -> Vector:
    return _page(section, f"<iframe src='{address}'></iframe>")


def _head(section: str, name: str, value: str) -> Vector:
    return Vector(section, b"<!doctype html><p>x", headers=((name, value),))


TREE = {
    "formatting elements alike but for a reference": _page(
        "html#push-onto-the-list-of-active-formatting-elements",
        f'<p><b class="&#97;"><b class=a><b class=a><b class=a></p><p></b></b></b><svg></b><style>{_IMG}</style>',
    ),
    "formatting elements alike but for a new line": _page(
        "infra#normalize-newlines",
        '<p><b class="a\r\n"><b class="a\n"><b class="a\r"><b class="a\n"></p><p></b></b></b><svg></b>'
        f"<style>{_IMG}</style>",
    ),
    "a control character in a reference is text": _page(
        "html#numeric-character-reference-end-state",
        f"&#1;<frameset><svg><noframes>{_IMG}</noframes>",
        doc="<!doctype html>",
    ),
    "a reference with a hundred zeros is white space": _page(
        "html#decimal-character-reference-state",
        "&#" + "0" * 100 + "32;<frameset><xmp><frame src=https://tracker.example/x></xmp>",
        doc="<!doctype html>",
    ),
    "a frameset behind a byte order mark": _page(
        "encoding#bom-sniff",
        "<frameset><xmp><frame src=https://tracker.example/x></xmp>",
        doc="\ufeff<!doctype html>",
    ),
    "a name without a semicolon is text": _page(
        "html#named-character-reference-state",
        f"&NewLine<frameset><svg><noframes>{_IMG}</noframes>",
        doc="<!doctype html>",
    ),
    "four nodes between a formatting element and its furthest block": _page(
        "html#adoption-agency-algorithm",
        "<svg><desc><a><b><i><u><s><em><div></a></desc><script><!--\ntrackNow(1)\n--></script>",
    ),
}

CHARSET = {
    "us-ascii is windows-1252": _bytes(
        "encoding#names-and-labels", b'<img src="https://track\xader.example/x">', "us-ascii"
    ),
    "ISO-646 by another name is windows-1252": _bytes(
        "encoding#names-and-labels", b'<img src="https://track\xader.example/x">', "ansi_x3.4-1968"
    ),
    "iso-8859-9 is windows-1254": _bytes(
        "encoding#names-and-labels", b'<img src="https://track\xader.example/x">', "iso-8859-9"
    ),
    "a label of Python's alone is none": _bytes(
        "encoding#concept-encoding-get",
        b'<meta charset=windows-1252><img src="https://track\xader.example/x">',
        "cp437",
        "cp1252",
    ),
    "a label of Python's alone before Japanese": Vector(
        "html#determining-the-character-encoding",
        b"<!doctype html><meta charset=iso-2022-jp><im\x1b(Bg src=https://tracker.example/x>",
        "text/html; charset=cp437",
        decoded_as="iso2022_jp",
    ),
    "Japanese declared in a comment": Vector(
        "html#prescan-a-byte-stream-to-determine-its-encoding",
        b"<!doctype html><!--<meta charset=iso-2022-jp>--><meta charset=utf-8>\x1b$B<img src=https://tracker.example/x>\x1b(B",
        "text/html",
        decoded_as="utf-8",
    ),
    "Japanese declared in the second place": Vector(
        "html#prescan-a-byte-stream-to-determine-its-encoding",
        b"<!doctype html><meta charset=utf-8><meta charset=iso-2022-jp>\x1b$B<img src=https://tracker.example/x>\x1b(B",
        "text/html",
        decoded_as="utf-8",
    ),
    "Japanese declared in content without a pragma": Vector(
        "html#prescan-a-byte-stream-to-determine-its-encoding",
        b'<!doctype html><meta content="charset=iso-2022-jp"><meta charset=utf-8>\x1b$B<img src=https://tracker.example/x>',
        "text/html",
        decoded_as="utf-8",
    ),
    "a space that is none in a label": Vector(
        "infra#ascii-whitespace", (_DOC + _IMG).encode(), "text/html; charset=\xa0utf-16le", decoded_as="cp1252"
    ),
    "a label in two types": Vector(
        "fetch#concept-header-extract-mime-type",
        (_DOC + _IMG).encode(),
        "text/html; charset=utf-16le, text/html; charset=utf-8",
        decoded_as="utf-8",
    ),
}

CSS = {
    "another function that ends in url": _css(
        "css-syntax#consume-ident-like-token", f'a{{b:xurl(a"b)c";background:{_URL}}}'
    ),
    "a hash before a bracket": _css("css-syntax#consume-token", f'a{{b:#url(a"b)c";background:{_URL}}}'),
    "an at-keyword before a bracket": _css("css-syntax#consume-token", f'a{{b:@url(a"b)c";background:{_URL}}}'),
    "a dimension before a bracket": _css("css-syntax#consume-numeric-token", f'a{{b:1url(a"b)c";background:{_URL}}}'),
    "an escape before url": _css("css-syntax#would-start-an-identifier", f'a{{b:\\41 url(a"b)c";background:{_URL}}}'),
    "an escaped bracket before url": _css(
        "css-syntax#starts-with-a-valid-escape", f'a{{b:\\{{url(a"b)c";background:{_URL}}}'
    ),
    "a comment in the arguments of a function": _css(
        "css-syntax#consume-comment", f"a{{b:x-url(/*)'*/);background:{_URL};c:'"
    ),
    "a backslash that Shift_JIS gives back": _bytes(
        "encoding#shift_jis-decoder",
        f'<style>a{{b:"a\x85\\\\";background:{_URL};c:"d"}}</style>'.encode("latin-1"),
        "shift_jis",
    ),
    "a backslash that Big5 gives back": _bytes(
        "encoding#big5-decoder", f'<style>a{{b:"a\x81\\\\";background:{_URL};c:"d"}}</style>'.encode("latin-1"), "big5"
    ),
}

URLS = {
    "iso-8859-1 is windows-1252": _bytes(
        "uts46#IDNA_Mapping_Table", "<img src=https://track\u00ader.example/x>".encode("cp1252"), "iso-8859-1"
    ),
    "two names before the host": _page("url#authority-state", '<img src="https://a@b@tracker.example/x">'),
    "slashes of both kinds": _page(
        "url#special-authority-ignore-slashes-state", '<img src="https:\\/\\tracker.example/x">'
    ),
    "a full stop of Chinese": _page("uts46#Processing", '<img src="https://tracker&#x3002;example/x">'),
    "a tab in the scheme": _page("url#concept-basic-url-parser", '<img src="ht&#9;tps://tracker.example/x">'),
    "a base that is data counts, and is none": _page(
        "html#set-the-frozen-base-url", '<base href="//tracker.example/"><base href="data:x"><img src=x>'
    ),
    "a host in a srcset behind a bracket": _page(
        "html#parse-a-srcset-attribute", '<img srcset="a (,) , //tracker.example/x 2x">'
    ),
}

DATA = {
    "XML of a type that Chromium alone knows": _frame(
        "mimesniff#xml-mime-type", "data:text/xsl," + _XHTML % '<img src="https://track%26%23173;er.example/x"/>'
    ),
    "a label with an escape": _frame(
        "mimesniff#parse-a-mime-type", 'data:text/html;charset="utf\\-16le",' + quote(_IMG.encode("utf-16-le"))
    ),
    "a label in the text of another parameter": _frame(
        "mimesniff#parse-a-mime-type", 'data:text/html;x=";charset=utf-16le";charset=utf-8,' + quote(_IMG)
    ),
    "a document with a fragment": _frame("url#concept-url-fragment", f"data:text/html,%3Cp>x{quote(_IMG)}#</html>"),
    "base64 with a space": _frame(
        "fetch#data-url-processor", "data:text/html; BASE64 ,PGltZyBzcmM9Ly90cmFja2VyLmV4YW1wbGUveD4"
    ),
    "a style sheet in a charset of its own": _page(
        "css-syntax#determine-the-fallback-encoding",
        "<link rel=stylesheet href='data:text/css;charset=utf-16le,"
        + quote("a{b:" + _URL + "}", encoding="utf-16-le")
        + "'>",
    ),
}

DRAWINGS = {
    "an animation sets a mask": _page(
        "svg-animations#ValueAttributes", f'<svg><rect><animate attributeName=mask values="{_URL}"/></rect></svg>'
    ),
    "an animation sets a cursor": _page(
        "svg-animations#SetElement", f'<svg><rect><set attributeName=cursor to="{_URL},auto"/></rect></svg>'
    ),
    "a link of a drawing has a mask": _page("css-masking#the-mask", f'<svg><a mask="{_URL}"><rect/></a></svg>'),
    "a quote in a comment before an address": _page(
        "css-syntax#consume-comment", f'<svg><g mask="/*\'*/{_URL}"></g></svg>'
    ),
    "a bracket in a comment before an address": _page(
        "css-syntax#consume-comment", f'<svg><path d="m0" fill="/*>*/{_URL}"></path></svg>'
    ),
    "the same in XML": Vector(
        "css-masking#the-mask",
        f'<svg xmlns="http://www.w3.org/2000/svg"><a mask="{_URL}"/></svg>'.encode(),
        "image/svg+xml",
    ),
    "a style sheet in the page that makes another page": Vector(
        "xml-stylesheet#the-xml-stylesheet-processing-instruction",
        b'<?xml-stylesheet type="text/xsl" href="#a"?><html xmlns="http://www.w3.org/1999/xhtml"><body>'
        b'<xsl:stylesheet id="a" version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
        b'<xsl:template match="/">'
        b'<xsl:element name="img"><xsl:attribute name="src">https://tracker.example/x</xsl:attribute></xsl:element>'
        b"</xsl:template></xsl:stylesheet></body></html>",
        "application/xhtml+xml",
    ),
    "an instruction with another name before": Vector(
        "xml-stylesheet#the-xml-stylesheet-processing-instruction",
        b'<?xml-stylesheet type="text/css" ahref="a" href=\'https://tracker.example/x.css\'?>'
        + (_XHTML % "x").encode(),
        "application/xhtml+xml",
    ),
    "a prefix for HTML": Vector(
        "xml-names#ns-decl",
        b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:h="http://www.w3.org/1999/xhtml">'
        b'<h:img src="https://tracker.example/x"/></svg>',
        "image/svg+xml",
    ),
    "a type that Chromium takes for XML": Vector(
        "mimesniff#xml-mime-type", (_XHTML % '<img src="https://tracker.example/x"/>').encode(), "text/xsl"
    ),
}

HEADERS = {
    "an alternative service": _head("rfc7838#section-3", "Alt-Svc", 'h2="tracker.example:443"; ma=3600'),
    "a link in capitals": _head("rfc8288#section-3", "Link", '<https://tracker.example/x>;REL="preload";as=script'),
    "a picture's list in a link": _head(
        "html#attr-link-imagesrcset", "Link", '</a>; rel=preload; as=image; imagesrcset="https://tracker.example/x 1x"'
    ),
    "a link behind empty ones": _head("rfc9110#section-5.6.1", "Link", " , , <https://tracker.example/x>; rel=preload"),
    "a refresh with a comma": _head(
        "html#shared-declarative-refresh-steps", "Refresh", '0 , uRl = "https://tracker.example/'
    ),
    "reports of a policy, in capitals": _head(
        "csp3#directive-report-uri", "Content-Security-Policy", "REPORT-URI //tracker.example/x"
    ),
    "reports to a held endpoint": _head(
        "reporting-1#header", "Reporting-Endpoints", 'a="https://tracker.example/x", b="/y"'
    ),
    "reports to a held group": _head(
        "reporting-1#header", "Report-To", '{"max_age":1,"endpoints":[{"url":"https://tracker.example/x"}]}'
    ),
    "rules that speculate": _head("html#speculation-rules-header", "Speculation-Rules", '"https://tracker.example/x"'),
    "the next page in a link": _head("html#link-type-next", "Link", "<https://tracker.example/x>; rel=next"),
    "network errors": _head("network-error-logging", "NEL", '{"report_to":"https://tracker.example/x"}'),
}

#: The tracker is in a comment if this is read as HTML, but not if it is read as XML.
_HIDDEN_IN_HTML = (_XHTML % f"<![CDATA[ > <!-- ]]>{_IMG[:-1]}/><![CDATA[ --> ]]>").encode()
_PARTS = f"--b\r\nContent-Type: text/html\r\n\r\n{_DOC}{_IMG}\r\n--b--\r\n".encode()
TYPES = {
    "a type that says nothing beside XML": Vector(
        "fetch#concept-header-extract-mime-type", _HIDDEN_IN_HTML, "application/xhtml+xml, */*"
    ),
    "the same beside another type of XML": Vector(
        "fetch#concept-header-extract-mime-type", _HIDDEN_IN_HTML, "application/xml;charset=utf-8, */*;q=0.1"
    ),
    "HTML before XML": Vector(
        "fetch#concept-header-extract-mime-type", _HIDDEN_IN_HTML, "text/html, application/xhtml+xml"
    ),
    "a drawing behind a text": Vector(
        "fetch#concept-header-extract-mime-type", _HIDDEN_IN_HTML, "text/plain, application/xml"
    ),
    "documents that take the place of each other": Vector(
        "html#read-multipart-x-mixed-replace", _PARTS, "multipart/x-mixed-replace; boundary=b"
    ),
}

ELEMENTS = {
    "a quote in a style without quotes": _page(
        "html#attribute-value-(unquoted)-state", f"<p style=quotes:'a';background:{_URL}>x"
    ),
    "two quotes in a style without quotes": _page(
        "html#attribute-value-(unquoted)-state", f'<p style=x:";y:";background:{_URL}>x'
    ),
    "a picture's source with a parameter": _page(
        "html#update-the-source-set",
        '<picture><source type="image/png;x=y" srcset="https://tracker.example/x"><img></picture>',
    ),
    "a picture's source of an older type": _page(
        "html#update-the-source-set",
        '<picture><source type="image/x-ms-bmp" srcset="https://tracker.example/x"><img></picture>',
    ),
    "the next page": _page("html#link-type-next", '<link rel="canonical NEXT" href="https://tracker.example/x">'),
    "the code of an embed": _page("html#the-embed-element", "<embed type=text/html code=https://tracker.example/x>"),
}

_RUN = "trackNow(1)"
SCRIPTS = {
    "a type of long ago": _page("mimesniff#javascript-mime-type", f"<script type=text/livescript>{_RUN}</script>"),
    "a type with a number": _page("mimesniff#javascript-mime-type", f"<script type=TEXT/JavaScript1.5>{_RUN}</script>"),
    "a type between tabs": _page(
        "html#prepare-the-script-element", f"<script type='\t\n application/x-ecmascript\f\r'>{_RUN}</script>"
    ),
    "a module in capitals": _page("html#prepare-the-script-element", f"<script type=MODULE>{_RUN}</script>"),
    "a language": _page("html#prepare-the-script-element", f"<script language=JScript>{_RUN}</script>"),
    "an empty type before a language": _page(
        "html#prepare-the-script-element", f"<script type='' language=vbscript>{_RUN}</script>"
    ),
    "the first of two types": _page(
        "html#attribute-name-state", f"<script type=text/jscript type=text/plain>{_RUN}</script>"
    ),
    "a type with a reference": _page(
        "html#attribute-value-(unquoted)-state", f"<script type=text&#x2f;ecma&#115;cript>{_RUN}</script>"
    ),
    "a script in a drawing": _page("svg2#ScriptElement", f"<svg><script type='text/ecmascript'>{_RUN}</script></svg>"),
}

VECTORS = {
    f"{kind}: {name}": vector
    for kind, vectors in {
        "tree": TREE,
        "charset": CHARSET,
        "css": CSS,
        "urls": URLS,
        "data": DATA,
        "drawings": DRAWINGS,
        "headers": HEADERS,
        "types": TYPES,
        "elements": ELEMENTS,
        "scripts": SCRIPTS,
    }.items()
    for name, vector in vectors.items()
}
