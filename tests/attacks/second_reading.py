"""
Vectors from a second reading of the standards, including those that were held from the start; each with its section.

A vector is a response that makes some browser request something from the tracker, or run its code, if it is sent as is.
"""

from __future__ import annotations

from urllib.parse import quote

from tests.attacks.vectors import Vector

_DOC = "<!doctype html><body>"
_IMG = '<img src="https://tracker.example/x">'
_URL = "url(https://tracker.example/x)"
_HTML = "text/html; charset=utf-8"


def _page(section: str, markup: str, kind: str = _HTML) -> Vector:
    return Vector(section, (_DOC + markup).encode(), kind)


def _css(section: str, sheet: str) -> Vector:
    return _page(section, f"<style>{sheet}</style>")


def _bare(section: str, page: str, kind: str | None = _HTML) -> Vector:
    return Vector(section, page.encode(), kind)


def _headers(section: str, *headers: tuple[str, str]) -> Vector:
    return Vector(section, b"<!doctype html><p>x", headers=headers)


def _wide(text: str) -> str:
    return quote(text.encode("utf-16-le"))


CHARSET = {
    "a charset of a user's own, declared, is windows-1252": Vector(
        "html#prescan-a-byte-stream-to-determine-its-encoding",
        b'<meta charset=x-user-defined><img src="https://track\xader.example/x">',
        "text/html",
        decoded_as="cp1252",
    ),
    "Japanese in the declaration of XML": Vector(
        "html#concept-get-xml-encoding-when-sniffing",
        b'<?xml version="1.0" encoding="iso-2022-jp"?><im\x1b(Bg src=https://tracker.example/x>',
        "text/html",
        decoded_as="iso2022_jp",
    ),
    "another charset in the declaration of XML": Vector(
        "html#concept-get-xml-encoding-when-sniffing",
        b'<?xml version="1.0" encoding="windows-1252"?><img src="https://track\xader.example/x">',
        "text/html",
        decoded_as="cp1252",
    ),
    "a declaration of XML in UTF-16 without a mark": Vector(
        "html#prescan-a-byte-stream-to-determine-its-encoding",
        f'<?xml version="1.0"?>{_IMG}'.encode("utf-16-le"),
        "text/html",
        decoded_as="utf-16-le",
    ),
    "a mark before the header": Vector(
        "encoding#bom-sniff",
        b"\xff\xfe" + (_DOC + _IMG).encode("utf-16-le"),
        "text/html; charset=iso-2022-jp",
        decoded_as="utf-16-le",
    ),
    "Japanese declared in a title": Vector(
        "html#prescan-a-byte-stream-to-determine-its-encoding",
        b"<title><meta charset=iso-2022-jp></title><im\x1b(Bg src=https://tracker.example/x>",
        "text/html",
        decoded_as="iso2022_jp",
    ),
    "UTF-7 is no label": Vector(
        "encoding#names-and-labels",
        b'<meta charset=windows-1252><img src="https://track\xader.example/x">',
        "text/html; charset=utf-7",
        decoded_as="cp1252",
    ),
    "UTF-16 declared in the page is UTF-8": Vector(
        "html#prescan-a-byte-stream-to-determine-its-encoding",
        '<meta charset=utf-16><img src="https://track\u00ader.example/x">'.encode(),
        "text/html",
    ),
    # Python's EUC-JP has no Roman numerals, but its EUC-JISX0213 has.
    "a Roman numeral in EUC-JP": Vector(
        "encoding#index-jis0208",
        b'<!doctype html><img src="https://tracker.e\xad\xbeample/x">',
        "text/html; charset=euc-jp",
        decoded_as="euc_jisx0213",
    ),
    "a sheet takes over the page's Japanese": Vector(
        "css-syntax#determine-the-fallback-encoding",
        b"<!doctype html><link rel=stylesheet href='data:text/css,@im%1B(Bport \"https://tracker.example/x\"'>",
        "text/html; charset=iso-2022-jp",
    ),
    "a sheet takes over the page's UTF-16": Vector(
        "css-syntax#determine-the-fallback-encoding",
        f"<!doctype html><link rel=stylesheet href='data:text/css,{_wide(f'a{{b:{_URL}}}')}'>".encode("utf-16-le"),
        "text/html; charset=utf-16le",
    ),
    "a sheet in the charset of its link": _page(
        "html#attr-link-charset",
        f"<link rel=stylesheet charset=utf-16le href='data:text/css,{_wide(f'a{{b:{_URL}}}')}'>",
    ),
    "a sheet names its charset": _page(
        "css-syntax#determine-the-fallback-encoding",
        "<link rel=stylesheet href='data:text/css,@charset \"iso-2022-jp\";a{b:u%1B(Brl(//tracker.example/x)}'>",
    ),
    "a sheet names a charset of one byte": _page(
        "css-syntax#determine-the-fallback-encoding",
        "<link rel=stylesheet href='data:text/css,@charset \"windows-1252\";a{b:url(//track%ADer.example/x)}'>",
    ),
    "a script in the charset of its type": _page(
        "html#fetch-a-classic-script",
        f"<script src='data:text/javascript;charset=utf-16le,{_wide('trackNow(1)')}'></script>",
    ),
    "a script in the charset of its element": _page(
        "html#attr-script-charset",
        f"<script charset=utf-16le src='data:text/javascript,{_wide('trackNow(1)')}'></script>",
    ),
}

CSS = {
    "an import with a layer and a condition": _css(
        "css-cascade#at-import", '@import"https://tracker.example/x"layer(a)supports(display:grid)screen;'
    ),
    "an import without its end": _css("css-syntax#parse-errors", "@import 'https://tracker.example/x"),
    "src": _css("css-values#urls", 'a{b:src("https://tracker.example/x")}'),
    "a set of images for a property without a prefix": _css(
        "css-images#image-set-notation", 'a{content:image-set("https://tracker.example/x" 1x)}'
    ),
    "the first value of a custom property": _css(
        "css-properties-values-api#initial-value-descriptor",
        f'@property --x{{syntax:"<image>";inherits:true;initial-value:{_URL}}}',
    ),
    "a custom property in an attribute": _page("css-variables#defining-variables", f'<p style="--a:{_URL}">'),
    "a scope without its ends": _css("css-syntax#parse-errors", f"@scope(a){{:scope{{b:{_URL}"),
    "a backslash at the end": _css("css-syntax#consume-escaped-code-point", "a{b:url(https://tracker.example/x\\"),
    "a comment without its end": _css("css-syntax#consume-comment", f"a{{b:{_URL}/*"),
    "a namespace before": _css("css-namespaces#declaration", f"@namespace x url(y);a{{b:{_URL}}}"),
    "a font in a layer": _css("css-fonts#src-desc", f"@layer x{{@font-face{{src:local('a'),{_URL}format('woff2')}}}}"),
}

URLS = {
    "a base in a document of its own": _page(
        "html#set-the-frozen-base-url",
        "<iframe src='data:text/html,<base href=https://tracker.example/><img src=https:x>'></iframe>",
    ),
    "a name, a password and a port": _page("url#host-state", "<img src='https://a:b@tracker.example:8443/x'>"),
    "a percent sign in the last letter": _page("url#concept-host-parser", "<img src='https://tracker.exampl%65/x'>"),
    "one slash and another scheme": _page("url#special-authority-slashes-state", "<img src='http:tracker.example/x'>"),
    "a backslash after the host": _page("url#path-start-state", "<img src='https:\\\\tracker.example\\x'>"),
    "a final dot and a line break": _page("url#concept-basic-url-parser", "<img src='//tracker.exam&#10;ple./x'>"),
    "small capitals": _page(
        "uts46#Processing", "<img src='//\u1d1b\u0280acker.example/x'><img src='//\uff54racker.example/x'>"
    ),
}

HEADERS = {
    "a quote behind the beginning of a value": _headers(
        "rfc8288#appendix-B.3", ("Link", '</a>;title=a", <https://tracker.example/x>;rel=preload;x="')
    ),
    "the same to a laxer reader": _headers(
        "rfc8288#appendix-B.3", ("Link", '<https://tracker.example/x>;title=a";rel=x";rel=preload')
    ),
    "two refreshes are one": _headers(
        "fetch#concept-header-list-get", ("Refresh", "0"), ("Refresh", "url=https://tracker.example/")
    ),
    "endpoints in two pieces": _headers(
        "fetch#concept-header-list-get",
        ("Reporting-Endpoints", 'a="https://tracker.example/'),
        ("Reporting-Endpoints", '"'),
    ),
    "groups in two pieces": _headers(
        "reporting-1#report-to",
        ("Report-To", '{"endpoints":[{"url":"https://tracker.example/x"}]'),
        ("Report-To", '"a":1}'),
    ),
    "a dictionary": _headers(
        "compression-dictionary#section-2.1", ("Link", '<https://tracker.example/x>;rel="x compression-dictionary"')
    ),
    "reports of the second policy": _headers(
        "csp3#parse-serialized-policy-list",
        ("Content-Security-Policy-Report-Only", "default-src *, report-uri /x https://tracker.example/"),
    ),
}

TYPES = {
    "a type in quotes is none": _page("mimesniff#parse-a-mime-type", _IMG, '"text/html"'),
    "a type with a space is none": _page("mimesniff#parse-a-mime-type", _IMG, "text/ht ml"),
    "a type of three parts is none": _page("mimesniff#parse-a-mime-type", _IMG, "text/html/x"),
    "a type that nobody knows": _page("mimesniff#sniffing-algorithm", _IMG, "application/unknown"),
    # The names by which Firefox knows HTML (netwerk/streamconv, nsUnknownDecoder).
    "no type, and a picture first": _bare("mimesniff#identifying-a-resource-with-an-unknown-mime-type", _IMG, None),
    "no type, and a meta element first": _bare("mimesniff#rules-for-unknown", f"<meta name=a>{_IMG}", None),
    "no type, and a declaration first": _bare("mimesniff#rules-for-unknown", f"<!x>{_IMG}", None),
    "no type, and an instruction first": _bare("mimesniff#rules-for-unknown", f"<?x>{_IMG}", None),
    "no type, and a heading first": _bare("mimesniff#rules-for-unknown", f" <h2>{_IMG}", None),
}

TREE = {
    "a style sheet where scripts are off": _bare(
        "html#parsing-main-inheadnoscript", "<head><noscript><link rel=stylesheet href=https://tracker.example/x>"
    ),
    "a style that a noscript element does not end": _bare(
        "html#parsing-main-inheadnoscript", f"<head><noscript><style></noscript>{_IMG}</style></noscript>"
    ),
    "a picture ends a noscript element in the head": _bare(
        "html#parsing-main-inheadnoscript", f"<head><noscript>{_IMG}</noscript>"
    ),
    "a template in the title of a drawing": _page(
        "html#html-integration-point", f"<svg><title><template></svg></template></title><style>{_IMG}"
    ),
    "a picture in an option": _page("html#the-select-element", f"<select><button></button><option>{_IMG}</select>"),
    "a frame behind noframes": _bare(
        "html#parsing-main-inframeset",
        "<frameset><noframes></frameset></noframes><frame src=https://tracker.example/x>",
    ),
    "a drawing in annotations": _page(
        "html#html-integration-point",
        f'<math><annotation-xml encoding="TEXT/HTML"><svg><style></annotation-xml>{_IMG}',
    ),
    "glyphs in text": _page("html#mathml-text-integration-point", f"<math><mtext><mglyph><style>{_IMG}</style>"),
    "an instruction with a bracket in quotes": _page("html#bogus-comment-state", f'<?a b=">{_IMG}"?>'),
    "an instruction with its own end": _page("html#bogus-comment-state", f"<?a ?>{_IMG}?>"),
    "a picture of a drawing in a description": _page(
        "html#parsing-main-inbody", "<svg><image href=x /><desc><image src=https://tracker.example/x>"
    ),
    "an old input in a description": _page("html#parsing-main-inbody", f"<svg><desc><isindex><![CDATA[ > {_IMG} ]]>"),
    "a row ends a description": _page(
        "html#parsing-main-inrow", f"<table><tr><td><svg><desc></tr></desc><style>{_IMG}</style></table>{_IMG}"
    ),
}

VECTORS = {
    f"again, {kind}: {name}": vector
    for kind, vectors in {
        "charset": CHARSET,
        "css": CSS,
        "urls": URLS,
        "headers": HEADERS,
        "types": TYPES,
        "tree": TREE,
    }.items()
    for name, vector in vectors.items()
}
