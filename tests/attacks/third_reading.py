"""
Vectors from a third reading of the standards; each with its section.

It went through what names addresses without being an attribute of an element: the JSON of scripts, headers with odd
syntax, conditions under which a browser chooses the address, and what a proxy keeps from the server.
"""

from __future__ import annotations

from tests.attacks.vectors import Vector

_DOC = "<!doctype html><body>"
_T = "https://tracker.example/x"
_HTML = "text/html; charset=utf-8"
_MAP = '<script type=importmap>{"imports":%s}</script>'
_RULES = "<script type=speculationrules>%s</script>"
_SVG = '<svg xmlns="http://www.w3.org/2000/svg">%s</svg>'
#: The address of the tracker, of which a search for addresses sees nothing.
_ESCAPED = "https:\\u002f\\u002ftracker.example/x"


def _page(section: str, markup: str, kind: str = _HTML) -> Vector:
    return Vector(section, (_DOC + markup).encode(), kind)


def _xml(section: str, markup: str) -> Vector:
    return Vector(section, (_SVG % markup).encode(), "image/svg+xml")


def _head(section: str, *headers: tuple[str, str]) -> Vector:
    return Vector(section, b"<!doctype html><p>x", headers=headers)


def _by_proxy(section: str, markup: str) -> Vector:
    """Return a page that a proxy serves by https, and that it gets by http."""
    return Vector(section, (_DOC + markup).encode(), scheme="http")


MAPS = {
    "a module of the site imports by a name": _page(
        "html#resolve-a-module-specifier", _MAP % f'{{"a":"{_T}"}}' + "<script type=module src=/app.js></script>"
    ),
    "a handler imports by a name": _page(
        "html#resolve-a-module-specifier", _MAP % f'{{"a":"{_T}"}}' + "<p onclick=\"import('a')\">"
    ),
    "a script before imports later": _page(
        "html#merge-existing-and-new-import-maps",
        "<script>setTimeout(()=>import('a'),9)</script>" + _MAP % f'{{"a":"{_T}"}}',
    ),
    "a name that the script puts together": _page(
        "html#hostloadimportedmodule", _MAP % f'{{"ab":"{_T}"}}' + "<script>import('a'+'b')</script>"
    ),
    "a comment before a name": _page(
        "ecma262#prod-FromClause", _MAP % f'{{"a":"{_T}"}}' + '<script type=module>import/**/"a"</script>'
    ),
    "the address of a file": _page("html#parse-an-import-map-string", _MAP % f'{{"/app.js":"{_T}"}}'),
    "a folder": _page("html#resolve-an-imports-match", _MAP % '{"a/":"https://tracker.example/"}'),
    "a scope of a folder": _page(
        "html#sorting-and-normalizing-scopes",
        f'<script type=importmap>{{"scopes":{{"/js/":{{"a":"/a.js","b":"{_T}"}}}}}}</script>',
    ),
    "escapes": _page("rfc8259#section-7", _MAP % f'{{"a":"{_ESCAPED}"}}'),
    "a name that is a colon": _page("rfc8259#section-4", _MAP % f'{{":":"{_T}"}}'),
    "a name that ends in a backslash of Shift_JIS": Vector(
        "encoding#shift_jis-decoder",
        b'<!doctype html><script type=importmap>{"imports":{"\x95\\":"https://tracker.example/x"}}</script>',
        "text/html; charset=shift_jis",
    ),
    "the second map": _page(
        "html#merge-existing-and-new-import-maps", _MAP % '{"b":"/b.js"}' + _MAP % f'{{"a":"{_T}"}}'
    ),
    "a map in a drawing": _page(
        "svg2#ScriptElement", f'<svg><script type=importmap>{{"imports":{{"a":"{_T}"}}}}</script>'
    ),
    "a map in XML": _xml(
        "svg2#ScriptElement",
        f'<script type="importmap">{{"imports":{{"a":"{_T.replace("e", "&#101;", 1)}"}}}}</script>',
    ),
    "a map in a document of its own": _page(
        "html#attr-iframe-srcdoc",
        f'<iframe srcdoc=\'<script type=importmap>{{"imports":{{"a":"{_T}"}}}}</script>\'></iframe>',
    ),
}

RULES = {
    "a number of many digits": _page(
        "rfc8259#section-6", _RULES % f'{{"n":{"1" * 5000},"prefetch":[{{"urls":["{_ESCAPED}"]}}]}}'
    ),
    "a byte that is not UTF-8": Vector(
        "encoding#windows-1252",
        f'<!doctype html>{_RULES % f"""{{"é":0,"prefetch":[{{"urls":["{_ESCAPED}"]}}]}}"""}'.encode("cp1252"),
        "text/html; charset=windows-1252",
    ),
    "lists within lists": _page(
        "rfc8259#section-9",
        _RULES % f'{{"a":{"[" * 990}{"]" * 990},"prerender":[{{"urls":["{_ESCAPED}"]}}]}}',
    ),
    "any link of the page": _page(
        "speculation-rules#document-rule", _RULES % '{"prefetch":[{"source":"document","eagerness":"immediate"}]}'
    ),
    "links with a class": _page(
        "speculation-rules#document-rule-predicate-matching",
        _RULES % '{"prefetch":[{"where":{"selector_matches":"a.x"}}]}',
    ),
    "links that do not match": _page(
        "speculation-rules#document-rule-predicate-matching",
        _RULES % '{"prefetch":[{"where":{"not":{"href_matches":"/admin/*"}}}]}',
    ),
    "any of two conditions": _page(
        "speculation-rules#document-rule-predicate-matching",
        _RULES % '{"prerender":[{"where":{"or":[{"href_matches":"/*"},{"href_matches":"https://*/*"}]}}]}',
    ),
    "no condition that all have to fulfil": _page(
        "speculation-rules#document-rule-predicate-matching", _RULES % '{"prefetch":[{"where":{"and":[]}}]}'
    ),
    "a pattern in parts": _page(
        "urlpattern#dictdef-urlpatterninit",
        _RULES % '{"prefetch":[{"where":{"href_matches":{"hostname":"*","pathname":"/*"}}}]}',
    ),
    "a base with links below it": _page(
        "speculation-rules#parse-a-document-rule-predicate",
        '<base href="https://tracker.example/">' + _RULES % '{"prefetch":[{"where":{"href_matches":"/*"}}]}',
    ),
    "rules in a drawing": _page(
        "svg2#ScriptElement",
        f'<svg><script type=speculationrules>{{"prefetch":[{{"urls":["{_ESCAPED}"]}}]}}</script></svg>',
    ),
    "rules in XML": _xml(
        "svg2#ScriptElement", f'<script type="speculationrules">{{"prefetch":[{{"urls":["{_ESCAPED}"]}}]}}</script>'
    ),
}

SCHEMES = {
    "a host without slashes": _by_proxy("url#scheme-state", "<img src=http:tracker.example/x>"),
    "a host behind one slash": _by_proxy("url#scheme-state", "<img src='HT&#9;TP:/tracker.example/x'>"),
    "one in a style sheet": _by_proxy("url#scheme-state", "<style>a{b:url(http:tracker.example/x)}</style>"),
    "one in a list": _by_proxy("url#scheme-state", "<img srcset='/a 1x, http:tracker.example/x 2x'>"),
    "one in a refresh": _by_proxy(
        "url#scheme-state", "<meta http-equiv=refresh content='0;url=http:tracker.example/'>"
    ),
    "one that rules name": _by_proxy("url#scheme-state", _RULES % '{"prefetch":[{"urls":["http:tracker.example/"]}]}'),
    "one that a map names": _by_proxy("url#scheme-state", _MAP % '{"a":"http:tracker.example/x.js"}'),
    "one in a header": Vector(
        "url#scheme-state",
        b"<!doctype html><p>x",
        headers=(("Link", "<http:tracker.example/x>;rel=preload;as=image"),),
        scheme="http",
    ),
}

ELEMENTS = {
    "a parameter of an object": _page(
        "html#the-param-element", f"<object type=text/html><param name=SRC value={_T}></object>"
    ),
    "a parameter by another name": _page(
        "html#the-param-element", f"<object><param name='movie' value='{_T}'></object>"
    ),
    "a document behind a wall": _page("fenced-frame#the-fencedframe-element", f"<fencedframe src={_T}></fencedframe>"),
    "a document that may take the place of the page": _page(
        "portals#the-portal-element", f"<portal src={_T}></portal>"
    ),
}

HEADERS = {
    "the second relation": _head("rfc8288#section-3.3", ("Link", f"<{_T}>;rel=x;rel=preload")),
    "a relation between apostrophes": _head("rfc8288#section-3", ("Link", f"<{_T}>;rel='x preload'")),
    "a list of pictures without quotes": _head(
        "html#attr-link-imagesrcset", ("Link", f"</a>;rel=preload;as=image;imagesrcset='{_T}'")
    ),
    "a host in UTF-8": _head("rfc9110#section-5.5", ("Link", "<https://track\xc2\xader.example/x>;rel=preload")),
    "what registers a click somewhere else": _head(
        "attribution-reporting#attribution-reporting-redirect-header", ("Attribution-Reporting-Redirect", f'"{_T}"')
    ),
}

_BASE = "<base href=https://tracker.example/>"
_STYLE = "a{b:url(https://tracker.example/x)}"
#: Elements inside scripts and style sheets of a drawing: their text is not a part of the outer one's.
INSIDE = {
    "a style sheet behind one in it": _page(
        "html#parsing-main-inforeign", f"<svg><style><style>x</style>{_STYLE}</style></svg>"
    ),
    "a style sheet behind one in it, which the end of the drawing ends": _page(
        "html#parsing-main-inforeign", f"<svg><style><style>x</style>{_STYLE}<p>y"
    ),
    "a script around one in it, without an end": _page(
        "html#parsing-main-inforeign", "<svg><script><script>trackNow(1)</script><div>x"
    ),
    "a style sheet behind one in an element in it": _page(
        "html#parsing-main-inforeign", f"<svg><style><g><style>x</style></g><![CDATA[{_STYLE}]]></style></svg>"
    ),
    "a script behind a style sheet in it": _page(
        "dom#concept-child-text-content", "<svg><script><style>x</style>trackNow(1)</script></svg>"
    ),
    "a script behind an element in it": _page(
        "dom#concept-child-text-content", "<svg><script><g a=x/>x</g>trackNow(1)</script></svg>"
    ),
    "a script around an element": _page(
        "dom#concept-child-text-content", "<svg><script>track<g>x</g>Now(1)</script></svg>"
    ),
    "a style sheet behind a quote in an element": _page(
        "dom#concept-child-text-content", f"<svg><style><g>'</g>{_STYLE}</style></svg>"
    ),
    "a style sheet behind a comment in an element": _page(
        "dom#concept-child-text-content", f"<math><g></g></math><svg><style><g>/*</g>{_STYLE}</style></svg>"
    ),
}

BASES = {
    "a picture before it": _page("html#update-the-image-data", "<img src=x>" + _BASE),
    "a picture that waits until it is seen": _page("html#lazy-loading-attributes", "<img loading=lazy src=x>" + _BASE),
    "a ping before it": _page("html#hyperlink-auditing", "<a ping=x href=#a>a</a>" + _BASE),
    "an embed before it": _page("html#concept-embed-active", "<embed src=x>" + _BASE),
    "an object before it, and another base": _page(
        "html#dynamic-changes-to-base-urls", "<object data=x></object><base target=a>" + _BASE + "<base href=/>"
    ),
    "one behind another in noscript": _page(
        "html#parsing-main-inhead", f"<noscript><base href=/a/></noscript>{_BASE}<img src=x>"
    ),
    "one in the head behind another in noscript": Vector(
        "html#parsing-main-inhead",
        f"<!doctype html><head><noscript><base href=/a/></noscript>{_BASE}</head><body><img src=x>".encode(),
    ),
    "one behind a drawing": _page("html#the-base-element", "<svg></svg><img src=x><p>" + _BASE),
    "one that a proxy changes": _by_proxy("url#scheme-state", "<img src=x><base href=http:tracker.example/>"),
}

VECTORS = {
    f"third, {kind}: {name}": vector
    for kind, vectors in {
        "maps": MAPS,
        "rules": RULES,
        "schemes": SCHEMES,
        "elements": ELEMENTS,
        "headers": HEADERS,
        "bases": BASES,
        "inside": INSIDE,
    }.items()
    for name, vector in vectors.items()
}
