"""
Vectors from a fourth reading of the standards, most of which were held from the start; each with its section.

They combine what the earlier readings took one by one: text modes of old elements inside drawings and tables, escapes
within escapes, documents within documents, and hosts that only a browser's own mapping finds.
"""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

from tests.attacks.vectors import Vector

_DOC = "<!doctype html><body>"
_T = "https://tracker.example/x"
_IMG = f'<img src="{_T}">'
_URL = f"url({_T})"
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    ' xmlns:h="http://www.w3.org/1999/xhtml">%s</svg>'
)


def _page(section: str, markup: str, doc: str = _DOC) -> Vector:
    return Vector(section, (doc + markup).encode(), "text/html; charset=utf-8")


def _css(section: str, sheet: str) -> Vector:
    return _page(section, f"<style>{sheet}</style>")


def _url(section: str, address: str) -> Vector:
    return _page(section, f'<img src="{address}">')


def _frame(section: str, document: str) -> Vector:
    return _page(section, f"<iframe src='data:text/html,{quote(document)}'></iframe>")


def _xml(section: str, content: str) -> Vector:
    return Vector(section, (_SVG % content).encode(), "image/svg+xml")


def _bytes(section: str, body: bytes, label: str) -> Vector:
    return Vector(section, b"<!doctype html>" + body, f"text/html; charset={label}")


def _head(section: str, name: str, value: str) -> Vector:
    return Vector(section, b"<!doctype html><p>x", headers=((name, value),))


TREE = {
    "a picture that the button of a select shows": _page(
        "html#the-selectedcontent-element",
        f"<select><button><selectedcontent></selectedcontent></button><option selected>{_IMG}</select>",
    ),
    "a style sheet in a table in a select": _page(
        "html#parsing-main-inselect", f"<select><table><tr><td><style></select></style></table>{_IMG}</select>"
    ),
    "noframes behind a line in a select": _page(
        "html#parsing-main-inselect", f"<select><hr><noframes></select>{_IMG}</noframes>{_IMG}"
    ),
    "a line break that ends a formula": _page(
        "html#parsing-main-inforeign", f"<math></br><style>{_IMG}</style>x{_IMG}"
    ),
    "a font without colour in a drawing": _page(
        "html#parsing-main-inforeign", f"<svg><font x=y><style>{_IMG}</style></svg>"
    ),
    "annotations without an encoding": _page(
        "html#html-integration-point", f"<math><annotation-xml><style>{_IMG}</style></math>"
    ),
    "a drawing in annotations without an encoding": _page(
        "html#parsing-main-inforeign", f"<math><annotation-xml><svg><style>{_IMG}</style></svg></annotation-xml></math>"
    ),
    "an encoding with a reference": _page(
        "html#html-integration-point", f'<math><annotation-xml encoding="text&#x2f;html"><style><!--</style>{_IMG}-->'
    ),
    "nobr in nobr, through a drawing": _page(
        "html#parsing-main-inbody", f"<nobr><svg><desc><nobr></nobr></desc><style>{_IMG}</style></svg>"
    ),
    "a button in a button, through a drawing": _page(
        "html#parsing-main-inbody", f"<button><svg><desc><button></desc></button><style>{_IMG}</style></svg>{_IMG}"
    ),
    "a template in a drawing is none": _page(
        "html#the-template-element", f"<svg><template></svg><style>{_IMG}</style>{_IMG}"
    ),
    "a template that ends inside a description": _page(
        "html#parsing-main-inhead", f"<template><svg><desc></template><style>{_IMG}</style></svg>{_IMG}"
    ),
    "the second root": _page("html#parsing-main-inbody", f"<html style='background:{_URL}'>"),
    "a script that is escaped, with a slash": _page(
        "html#script-data-double-escape-start-state", f"<script><!--<ScRiPt/</script>{_IMG}--></script>{_IMG}"
    ),
    "a comment that ends with an exclamation mark, in a title": _page(
        "html#comment-end-bang-state", f"<svg><title><!--a--!><style></title></style>{_IMG}"
    ),
    "a section behind a description": _page(
        "html#cdata-section-state", f"<svg><desc></desc><![CDATA[<desc>]]><style></svg>{_IMG}"
    ),
    "a shadow tree in the markup": _page(
        "html#attr-template-shadowrootmode", f"<div><template shadowrootmode=open>{_IMG}</template></div>{_IMG}"
    ),
}

CHARSET = {
    "a wide letter in Korean": _bytes(
        "encoding#index-euc-kr", "<img src=//ｔracker.example/x>".encode("cp949"), "euc-kr"
    ),
    "a wide letter in Chinese": _bytes("encoding#index-gb18030", "<img src=//ｔracker.example/x>".encode("gbk"), "gbk"),
    "a wide letter in Japanese": _bytes(
        "encoding#index-jis0208", "<img src=//ｔracker.example/x>".encode("cp932"), "shift_jis"
    ),
    "UTF-16 by the name of its first version": Vector(
        "encoding#names-and-labels", (_DOC + _IMG).encode("utf-16-le"), "text/html; charset=csunicode"
    ),
    "half a character at the end of UTF-16": Vector(
        "encoding#shared-utf-16-decoder", (_DOC + _IMG).encode("utf-16-le") + b"<", "text/html; charset=utf-16"
    ),
    "Japanese in the letters of Rome": _bytes(
        "encoding#iso-2022-jp-decoder", b"\x1b(J<im\x1b(Bg src=https://tracker.example/x>", "iso-2022-jp"
    ),
    "two switches without text": _bytes(
        "encoding#iso-2022-jp-decoder", b"\x1b$B\x1b$B\x1b(B<im\x1b(Jg src=https://tracker.example/x>", "iso-2022-jp"
    ),
    "four bytes of Chinese before a picture": _bytes(
        "encoding#gb18030-decoder", b"<p title='\x81\x30\x81'><img src=https://tracker.example/x>", "gb18030"
    ),
}

CSS = {
    "an import with an escaped name": _css("css-syntax#consume-ident-sequence", f"@\\000049 mport '{_T}';"),
    "an import behind the marks of a comment of HTML": _css(
        "css-syntax#CDO-token-diagram", f"<!-- @import '{_T}'; -->"
    ),
    "an import behind a string of content": _css(
        "css-cascade#at-import", f"a{{content:'}}';}}@import '{_T}';b{{c:{_URL}}}"
    ),
    "an escaped line break in an address": _css(
        "css-syntax#consume-string-token", 'a{b:url("https:\\\n//tracker.example/x")}'
    ),
    "escaped slashes": _css("css-syntax#consume-escaped-code-point", 'a{b:url("\\68 ttps:\\2f\\2ftracker.example/x")}'),
    "an address with modifiers": _css(
        "css-values#url-modifiers", f"a{{b:url('{_T}' crossorigin(anonymous) referrerpolicy(no-referrer))}}"
    ),
    "an image that a condition chooses": _css("css-values#if-notation", f"a{{b:if(media(print):none;else:{_URL})}}"),
    "the result of a function of one's own": _css("css-mixins#function-rule", f"@function --f(){{result:{_URL}}}"),
    "a style before the first frame": _css(
        "css-transitions#defining-before-change-style", f"@starting-style{{a{{b:{_URL}}}}}"
    ),
    "a set of images after a string": _css(
        "css-images#image-set-notation", f"a{{content:'a' image-set('{_T}' type('image/png'))}}"
    ),
    "an escaped letter of the host": _css("css-syntax#consume-url-token", "a{b:url(//track\\ad er.example/x)}"),
    "a bracket that is a reference": _page(
        "html#named-character-reference-state", f"<p style='background:url&lpar;{_T})'>x"
    ),
}

URLS = {
    "a user with a backslash behind": _url("url#authority-state", "//tracker.example\\@shop.example/x"),
    "a full stop of Chinese, escaped": _url("url#host-parsing", "//tracker%E3%80%82example/x"),
    "a soft hyphen, escaped": _url("url#host-parsing", "//track%C2%ADer.example/x"),
    "half of a full stop": _url("uts46#Processing", "//tracker\uff61example/x"),
    "a bold letter": _url("uts46#Processing", "//\U0001d42dracker.example/x"),
    "a sign for degrees Kelvin": _url("uts46#Processing", "//trac\u212aer.example/x"),
    "an invisible selector": _url("uts46#IDNA_Mapping_Table", "//tra\ufe0fcker.example/x"),
    "a reference without its end before a letter": _url(
        "html#numeric-character-reference-end-state", "//track&#173er.example/x"
    ),
    "a tab that is a reference": _url("url#concept-basic-url-parser", "/&Tab;/tracker.example/x"),
    "a backslash that is a reference": _url("html#named-character-references", "&bsol;&bsol;tracker.example/x"),
    "zeros before a port": _url("url#port-state", "//tracker.example:00443/x"),
    "control characters before it": _url("url#concept-basic-url-parser", "\x01\x1f //tracker.example/x"),
}

DOCUMENTS = {
    "base64 in capitals behind a parameter": _page(
        "fetch#data-url-processor",
        f"<iframe src='DATA:TEXT/HTML;x=y;BASE64,{b64encode(_IMG.encode()).decode()}'></iframe>",
    ),
    "base64 with spaces": _page(
        "infra#forgiving-base64",
        f"<iframe src='data:text/html;base64,%20{' '.join(b64encode(_IMG.encode()).decode())}'></iframe>",
    ),
    "a document in a document": _frame("html#attr-iframe-srcdoc", f"<iframe srcdoc='<img src={_T}>'></iframe>"),
    "three documents in one another": _page(
        "html#attr-iframe-srcdoc",
        "<iframe srcdoc=\"<iframe srcdoc='&lt;iframe srcdoc=&quot;"
        "&amp;lt;img src=//tracker.example/x&amp;gt;&quot;&gt;'>\"></iframe>",
    ),
    "a refresh in a document": _frame(
        "html#attr-meta-http-equiv-refresh", f"<meta http-equiv=refresh content='0;{_T}'>"
    ),
    "the page's base in a document": _page(
        "html#fallback-base-url", "<base href=//tracker.example/><iframe srcdoc='<img src=x>'></iframe><img src=x>"
    ),
    "a sheet in a sheet in a sheet": _page(
        "css-cascade#at-import",
        "<link rel=stylesheet href='data:text/css,@import%20%22data:text/css,@import%2520%2527https://tracker.example/x"
        "%2527%22'>",
    ),
}

XML = {
    "a picture of HTML in a drawing": _xml("xml-names#ns-using", f'<h:img src="{_T}"/>'),
    "a link by another prefix": _xml(
        "xml-names#ns-decl", f'<image xmlns:q="http://www.w3.org/1999/xlink" xlink:href="{_T}" q:x="y"/>'
    ),
    "a paint": _xml("svg2#SpecifyingPaint", f'<g mask="url({_T}#m)" fill="url({_T})"/>'),
    "an instruction in several lines": Vector(
        "xml-stylesheet#the-xml-stylesheet-processing-instruction",
        f"<?xml-stylesheet\nhref\n=\n'{_T}'\n?>{_SVG % ''}".encode(),
        "image/svg+xml",
    ),
    "a script without a prefix of its own": Vector(
        "xml-names#defaulting",
        f'<x><script xmlns="http://www.w3.org/2000/svg" href="{_T}"/></x>'.encode(),
        "application/xml",
    ),
}

HEADERS = {
    "a style sheet in the address of a link": _head(
        "html#link-type-stylesheet",
        "Link",
        r"<data:text/css,@import '\68ttps:\2f\2ftracker.example/x'>; rel=stylesheet",
    ),
    "a style sheet in base64": _head(
        "fetch#data-url-processor",
        "Link",
        f"<data:text/css;base64,{b64encode(f'a{{b:{_URL}}}'.encode()).decode()}>; rel=stylesheet",
    ),
    "a session that is bound to a device": _head(
        "dbsc#header-secure-session-registration", "Secure-Session-Registration", f'(ES256 RS256);path="{_T}"'
    ),
    "the same by its older name": _head(
        "dbsc#header-secure-session-registration", "Sec-Session-Registration", f'(ES256);path="{_T}";challenge="a"'
    ),
    "an advertisement that the system registers": _head(
        "attribution-reporting#attribution-reporting-register-os-source-header",
        "Attribution-Reporting-Register-OS-Source",
        f'"{_T}"; debug-reporting, "/own"',
    ),
    "a purchase that the system registers": _head(
        "attribution-reporting#attribution-reporting-register-os-trigger-header",
        "Attribution-Reporting-Register-OS-Trigger",
        f'"{_T}"',
    ),
    "a report about a certificate": _head("hstspreload#expect-staple", "Expect-Staple", f'report-uri="{_T}"'),
    "a source map": _head("ecma426#sec-linking", "SourceMap", f"{_T}?a=b"),
    "a source map by its older name": _head("ecma426#sec-linking", "X-SourceMap", "\\\\tracker.example/x.map"),
    "a dictionary by its older name": _head("compression-dictionary#section-3", "Link", f"<{_T}>; rel=dictionary"),
}

TYPES = {
    "the type that Firefox gives to what has none": Vector(
        "mimesniff#sniffing-algorithm", (_DOC + _IMG).encode(), "application/x-unknown-content-type"
    ),
}

VECTORS = {
    f"fourth, {kind}: {name}": vector
    for kind, vectors in {
        "tree": TREE,
        "charset": CHARSET,
        "css": CSS,
        "urls": URLS,
        "documents": DOCUMENTS,
        "xml": XML,
        "headers": HEADERS,
        "types": TYPES,
    }.items()
    for name, vector in vectors.items()
}
