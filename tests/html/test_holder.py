"""
What is held in each kind of element and attribute, and what stays.

A case is the page with marks where bytes are to be inserted: ``{H}`` the held
mark of an element, ``{S}`` that of a script, ``{D}`` the prefix of a name,
``{U}`` what makes a URL point nowhere. Without its marks it is the app's page.
"""

from __future__ import annotations

from urllib.parse import quote

import pytest

from consent_mw.errors import RefusedMarkup
from consent_mw.html.code import Ids
from consent_mw.html.holder import Holder
from consent_mw.html.nested import held_in
from consent_mw.html.urls import DataUrl
from tests.html.rewriting import PAGE
from tests.html.rewriting import holder
from tests.html.rewriting import run

MARKS = {
    "{H}": " data-cmw-held=tracker",
    "{S}": " data-cmw-held=tracker type=text/plain",
    "{D}": "data-cmw-",
    "{U}": "about:invalid#cmw=tracker#",
    "{M}": "data:text/javascript,export%20default%20function(){}#",
}
MARKS_XML = {
    "{H}": ' data-cmw-held="tracker"',
    "{S}": ' data-cmw-held="tracker" type="text/plain"',
    "{D}": "data-cmw-",
    "{U}": "about:invalid#cmw=tracker#",
}


def page_and_expected(case: str, marks: dict[str, str]) -> tuple[bytes, bytes]:
    """Return the app's page of a case, and what is expected of it."""
    case = case.replace("T/", "//tracker.example/")
    page = expected = case
    for mark, text in marks.items():
        page, expected = page.replace(mark, ""), expected.replace(mark, text)
    return page.encode(), expected.encode()


def check(case: str, **options: object) -> None:
    """Assert that a case comes out as expected, in one piece and byte by byte."""
    xml = bool(options.get("xml"))
    page, expected = page_and_expected(case, MARKS_XML if xml else MARKS)
    assert run(page, held_by=holder(**options)) == expected  # type: ignore[arg-type]
    assert run(page, range(1, len(page)), held_by=holder(**options)) == expected  # type: ignore[arg-type]


HELD = {
    "script": "<script{S} {D}src=T/x.js></script>",
    "script with attributes": '<script{S} async defer nonce=n {D}src="https:T/x.js" crossorigin></script>',
    "script with a type": "<script{S} {D}type=text/javascript {D}src=T/x.js></script>",
    "script with content beside src": "<script{S} {D}src=T/x.js>own()</script>",
    "module": "<script{S} {D}type=module {D}src=T/x.js></script>",
    "inline script": "<script{S}>trackNow(1)</script>",
    "inline script of an old language": "<script{S} language=JavaScript1.2>trackNow(1)</script>",
    "inline script with white space in the call": "<script{S}>trackNow\n (1)</script>",
    "inline script with an escaped name": "<script{S}>tr\\u0061ckNow(1)</script>",
    "inline script behind a comment": "<script{S}><!--\ntrackNow(1)\n--></script>",
    "inline script that holds a script": "<script{S}><!-- <script>x</script> -->\n trackNow(1)</script>",
    "inline module": '<script{S} {D}type=module>import "https://tracker.example/x.js"</script>',
    "inline loader": '<script{S}>s.src="https:\\/\\/tracker.example\\/sdk.js"</script>',
    "speculation rules": '<script{S} {D}type=speculationrules>{"prefetch":[{"urls":["T/x.js"]}]}</script>',
    "attribution of a script": "<script{S} {D}attributionsrc=T/1 src=/x.js></script>",
    "image": "<img{H} {D}src=T/1.gif>",
    "image with all addresses held": '<img{H} {D}srcset="T/1.gif 1x, T/2.gif 2x">',
    "image with one of several addresses": '<img{H} src=/a.gif srcset="/a.gif 1x, {U}T/1.gif 2x">',
    "addresses without a space": '<img{H} srcset="/a.gif 1x,{U}T/1.gif 2x">',
    "addresses with a comma in brackets": '<img{H} srcset="/a.gif x(1,2), {U}T/1.gif 2x">',
    "addresses with character references": '<img{H} {D}srcset="/a.gif 1x, &#47;/tracker.example/1.gif 2x">',
    "old image addresses": "<img{H} {D}lowsrc=T/1.gif {D}dynsrc=T/2.avi>",
    "attribution of an image": '<img{H} {D}attributionsrc="/a T/1" src=/x.gif>',
    "image by another name": "<image{H} {D}src=T/1.gif>",
    "picture with a type": '<picture><source{H} type="image/webp" {D}srcset="T/1.webp"><img src=/a.gif></picture>',
    "picture": '<picture><source{H} {D}srcset="T/1.webp"><img src=/a.gif></picture>',
    "source": "<video><source{H} {D}src=T/1.mp4></video>",
    "iframe": "<iframe{H} {D}src=T/1></iframe>",
    "nested document": '<iframe{H} {D}srcdoc="<img src=T/1.gif>"></iframe>',
    "nested document with references": '<iframe{H} {D}srcdoc="&lt;img src=T/1.gif&gt;"></iframe>',
    "nested document twice": "<iframe{H} {D}srcdoc=\"<iframe srcdoc='&lt;img src=T/1.gif>'></iframe>\"></iframe>",
    "nested document and its fallback": '<iframe{H} {D}src=/own {D}srcdoc="<script>trackNow(1)</script>"></iframe>',
    "frame": "<frameset><frame{H} {D}src=T/1></frameset>",
    "embed": "<embed{H} {D}src=T/1>",
    "object": "<object{H} {D}data=T/1></object>",
    "archive": '<object{H} {D}archive="/a T/1" data=/x></object>',
    "video": "<video{H} {D}src=T/1></video>",
    "poster": "<video{H} {D}poster=T/1.gif></video>",
    "audio": "<audio{H} {D}src=T/1></audio>",
    "track": "<video><track{H} {D}src=T/1></video>",
    "image button": "<input{H} type=image {D}src=T/1.gif>",
    "image button in capitals": "<INPUT{H} TYPE=IMAGE {D}SRC=T/1.gif>",
    "background sound": "<bgsound{H} {D}src=T/1>",
    "style sheet": "<link{H} rel=stylesheet {D}href=T/1.css>",
    "alternate style sheet": '<link{H} rel="ALTERNATE StyleSheet" {D}href=T/1.css>',
    "icon": '<link{H} rel="shortcut icon" {D}href=T/1.ico>',
    "touch icon": "<link{H} rel=apple-touch-icon {D}href=T/1.png>",
    "manifest": "<link{H} rel=manifest {D}href=T/1>",
    "preload": "<link{H} rel=preload as=script {D}href=T/1.js>",
    "preloaded pictures": '<link{H} rel=preload as=image href=/a imagesrcset="/a 1x, {U}T/1 2x">',
    "prefetch": "<link{H} rel=prefetch {D}href=T/1>",
    "preconnect": "<link{H} rel=preconnect {D}href=T/>",
    "dns-prefetch": "<link{H} rel=dns-prefetch {D}href=T/>",
    "modulepreload": "<link{H} rel=modulepreload {D}href=T/1.js>",
    "prerender": "<link{H} rel=prerender {D}href=T/1>",
    "refresh": '<meta{H} http-equiv=refresh {D}content="0;url=T/1">',
    "refresh without url=": "<meta{H} http-equiv=Refresh {D}content='5, T/1'>",
    "refresh with quotes": "<meta{H} http-equiv=refresh {D}content=\"0; URL = 'T/1'\">",
    "refresh with a point": '<meta{H} http-equiv=refresh {D}content=".5;T/1">',
    "ping": "<a{H} href=/x {D}ping='/own T/1'>x</a>",
    "ping of an area": "<map><area{H} href=/x {D}ping=T/1></map>",
    "attribution of a link": "<a{H} {D}attributionsrc=T/1 href=/x>x</a>",
    "background of the body": "<body{H} {D}background=T/1.gif>",
    "background of a cell": "<table><td{H} {D}background=T/1.gif>x</table>",
    "style attribute": "<p{H} {D}style=background:url(T/1.gif)>x",
    "style attribute with an import set": "<p{H} {D}style='background:image-set(\"T/1.gif\" 1x)'>x",
    "style attribute with references": '<p{H} {D}style="background:u&#114;l(T/1.gif)">x',
    "style attribute with an address in a property": "<p{H} {D}style=\"--u:'T/1.gif'\">x",
    "style attribute with an address after a comment": '<p{H} {D}style=\'--u:/*"*/"//tracker.example/1.gif"\'>x',
    "style attribute without quotes": "<p{H} {D}style=--u:'T/1.gif'>x",
    "style attribute with escapes": '<p{H} {D}style="background:u\\72 l(T/1.gif)">x',
    "handler": '<p{H} {D}onclick="new Image().src=`T/1`">x',
    "handler with references": '<p{H} {D}onclick="fetch(&#39;T/1&#39;)">x',
    "handler in capitals": "<p{H} {D}ONCLICK=fetch(`T/1`)>x",
    "handler of an image": "<img{H} src=x {D}onerror=this.src=`T/1`>",
    "style element": "<style>p{background:url({U}T/1.gif)}</style>",
    "import": '<style>@import "{U}T/1.css";</style>',
    "font": "<style>@font-face{src:url({U}T/1.woff2)}</style>",
    "style in the body": "<p>x<style>@import url({U}T/1.css) print;</style>",
    "tag manager's twin": "<noscript><iframe{H} {D}src=T/1></iframe></noscript>",
    "noscript in the head": "<head><noscript><link{H} rel=stylesheet {D}href=T/1.css></noscript></head>",
    "noscript with an end tag in a comment": "<noscript><!--</noscript><img{H} {D}src=T/1.gif>-->",
    "noscript with an end tag in an attribute": "<noscript><p title='</noscript><img{H} {D}src=T/1.gif>'>",
    "template": "<template><img{H} {D}src=T/1.gif></template>",
    "shadow root": "<div><template shadowrootmode=open><img{H} {D}src=T/1.gif></template></div>",
    "amp": "<amp-img{H} {D}src=T/1.gif></amp-img>",
    "amp that fits a rule": "<amp-analytics{H} {D}type=tracker></amp-analytics>",
    "custom element of a service": "<track-widget{H} data-x=1><style></style></track-widget>",
    "path on the own host": '<img{H} {D}src="/own/track.php?a=1">',
    "javascript: in an iframe": '<iframe{H} {D}src="javascript:trackNow(1)"></iframe>',
    "javascript: with escapes": '<iframe{H} {D}src="javascript:trackNow%281)"></iframe>',
    "data: page": "<iframe{H} {D}src='data:text/html,<img src=T/1.gif>'></iframe>",
    "data: page with references": "<iframe{H} {D}src='data:text/html,<img src=\"https&amp;colon;T/1.gif\">'></iframe>",
    "data: page in base 64": "<iframe{H} {D}src=data:text/html;base64,PGltZyBzcmM9Ly90cmFja2VyLmV4YW1wbGUvMT4=>x",
    "data: style sheet": "<link{H} rel=stylesheet {D}href=\"data:text/css,@import '\\2f\\2ftracker.example/1.css'\">",
    "data: drawing": ("<object{H} {D}data='data:image/svg+xml,<svg><image href=\"T/1.gif\"/></svg>'></object>"),
    "svg image": "<svg><image{H} {D}href=T/1.gif /></svg>",
    "svg image by xlink": "<svg><image{H} {D}xlink:href=T/1.gif></image></svg>",
    "svg use": "<svg><use{H} {D}href=T/1.svg#a /></svg>",
    "svg filter image": "<svg><feImage{H} {D}href=T/1.gif /></svg>",
    "svg fill": '<svg><path{H} {D}fill="url(T/1.svg#a)"/></svg>',
    "svg address behind a local one": '<svg><g{H} {D}mask="url(#a), url(T/1.svg#b)"/></svg>',
    "svg cursor": '<svg><g{H} {D}cursor="url(#a), url(T/1.png), auto"/></svg>',
    "svg animation": "<svg><image><set{H} attributeName=href {D}to=T/1.gif /></image></svg>",
    "svg animation values": '<svg><image><animate{H} attributeName=href {D}values="/a.gif;T/1.gif"/></image></svg>',
    "svg style": '<svg><style>@import "{U}T/1.css";</style></svg>',
    "svg style with references": '<svg><style>@import "{U}&#47;/tracker.example/1.css";</style></svg>',
    "svg style in a section": '<svg><style><![CDATA[ @import "{U}T/1.css"; ]]></style></svg>',
    "svg style behind a false comment": "<svg><style><![CDATA[ a{b:/&#42;c} p{d:url({U}T/1)} /* */ ]]></style></svg>",
    "svg style across a comment": '<svg><style>@import "{U}//trac<!-- x -->ker.example/1.css";</style></svg>',
    "svg script": "<svg><script{S} {D}href=T/1.js></script></svg>",
    "svg script by xlink": "<svg><script{S} {D}xlink:href=T/1.js /></svg>",
    "svg script that HTML would not run": "<svg><script{S} nomodule language=x {D}href=T/1.js /></svg>",
    "svg script with references": "<svg><script{S}>track&#78;ow(1)</script></svg>",
    "svg script in a section": '<svg><script{S}><![CDATA[ "</script>"; trackNow(1) ]]></script></svg>',
    "svg script across a comment": "<svg><script{S}>tra<!-- x -->ckNow(1)</script></svg>",
    "svg script behind a comment": "<svg><script{S}><!-- </script> --> trackNow(1)</script></svg>",
    "svg handler": "<svg><set{H} attributeName=x {D}onbegin=location=`T/1` /></svg>",
    "svg link's mask": '<svg><a{H} href=/x {D}mask="url(T/1.svg#a)"></a></svg>',
    "svg address behind a quote in a comment": '<svg><g{H} {D}mask="/*\'*/url(T/1.svg#a)"></g></svg>',
    "svg address behind a bracket in a comment": '<svg><g{H} {D}mask="/*>*/url(T/1.svg#a)"></g></svg>',
    "svg link's ping": "<svg><a{H} {D}ping=T/1 href=/x></a></svg>",
    "drawing around another": "<svg><desc><math></svg><img{H} {D}src=T/1.gif>",
    "svg style with a reference that needs no end": "<svg><style>@import &quot{U}https:T/1.css&quot;</style></svg>",
    "html in svg": "<svg><foreignObject><img{H} {D}src=T/1.gif></foreignObject></svg>",
    "html that ends svg": "<svg><p><img{H} {D}src=T/1.gif></svg>",
    "html that ends mathml in its text": "<math><mi><mglyph><style><img{H} {D}src=T/1.gif></style>",
    "the same in html in it": "<math><mi><b><mglyph></b><style>x</style></mi></math><img{H} {D}src=T/1.gif>",
    "svg style in a section that does not end": "<svg><style><![CDATA[@import '{U}T/1.css'; <b>",
    "html in mathml": "<math><mi><script{S}>trackNow(1)</script></mi></math>",
    "what a browser finds by looking ahead in a section": "<svg><![CDATA[> <img{H} {D}src=T/1.gif>]]></svg>",
    "and in a comment in a script": "<svg><script><!-- </script><img{H} {D}src=T/1.gif> --></script></svg>",
    "and in a comment in a title": "<svg><title><!-- </title><img{H} {D}src=T/1.gif> --></title></svg>",
    "style without quotes that has one": "<p{H} {D}style=quotes:'a';background:url(T/1)>x",
    "source of a type that may be one": '<picture><source{H} type="image/x-x" {D}srcset="T/1"><img src=/a></picture>',
    "code of an embed": "<embed{H} type=text/html {D}code=T/1>",
    "next page": "<link{H} rel=next {D}href=T/1>",
    "attribute twice": '<img{H} {D}src=T/1.gif {D}src="/a.gif">',
    "slashes between": "<img{H} /{D}src=T/1.gif/>",
    "no space before": '<img{H} alt="x"{D}src=T/1.gif>',
    "a quote in a name": '<img{H} a"b {D}src=T/1.gif>',
    "an equals sign first": "<img{H} =src=x {D}src=T/1.gif>",
    "space around the equals sign": "<img{H} {D}src \n=\t'T/1.gif'>",
}


@pytest.mark.parametrize("case", HELD.values(), ids=HELD)
def test_what_leads_to_a_held_service_is_made_inert(case: str) -> None:
    """Every way in which an element leads out is closed by insertions at just these places."""
    check(case)


KEPT = {
    "own script": "<script src=/x.js></script><script>own()</script>",
    "necessary service": "<script src=https://pay.example/x.js></script>",
    "other third party": "<img src=https://other.example/x.jpg width=200 height=90>",
    "host that only begins alike": "<img src=https://tracker.example.org/a.jpg>",
    "host that only ends alike": "<img src=https://nottracker.example/a.jpg>",
    "tracker as user name": '<img src="https://tracker.example:443@shop.example/a.jpg">',
    "tracker in a query": '<img src="/a.jpg?u=https://tracker.example/">',
    "relative to the page's scheme": '<img src="https:tracker.example/a.jpg">',
    "link to click on": "<a href=T/x>x</a><form action=T/x></form>",
    "canonical link": "<link rel=canonical href=T/x>",
    "link without rel": "<link href=T/x>",
    "meta that is no refresh": '<meta name=a content="0;url=T/1"><meta http-equiv=x content="0;T/1">',
    "refresh of the page itself": '<meta http-equiv=refresh content="30"><meta http-equiv=refresh content="">',
    "input that is no image": "<input src=T/1.gif><input type=text src=T/1.gif>",
    "json": '<script type=application/json>{"a":"T/x.js"}</script>',
    "linked data": '<script type="application/ld+json">{"sameAs":"https://tracker.example/sdk.js"}</script>',
    "script template": "<script type=text/template><img src=T/1.gif> trackNow(1)</script>",
    "script for old browsers": "<script nomodule>trackNow(1)</script><script nomodule src=T/x.js></script>",
    "language that does not run": "<script language=vbscript>trackNow(1)</script>",
    "another function's name": "<script>notrackNow(1); mytrackNow(2)</script>",
    "import map": '<script type=importmap>{"imports":{"t":"/x.js"},"integrity":{"T/x.js":"sha256-a"}}</script>',
    "rules about links of the site": (
        '<script type=speculationrules>{"prefetch":[{"source":"document","where":{"and":[{"href_matches":"\\/*"},'
        '{"not":{"href_matches":["\\/wp-*.php","\\/wp-admin\\/*"]}},{"not":{"selector_matches":"a[rel~=nofollow]"}}]}'
        ',"eagerness":"conservative"}],"prerender":[{"urls":["/a"]},{"where":{"href_matches":"https://h.example/*"}}]}'
        "</script>"
    ),
    "comment": "<!-- <script src=T/x.js></script> -->",
    "comment with an early end": "<!--> <!---> <!-- --!>",
    "bogus comment": "<!x <img src=T/1.gif><?y <img src=T/1.gif></ <img src=T/1.gif>",
    "doctype": '<!doctype html SYSTEM "T/x.dtd">',
    "textarea": "<textarea><img src=T/1.gif></textarea>",
    "title": "<title><img src=T/1.gif></title>",
    "xmp": "<xmp><img src=T/1.gif></xmp>",
    "noframes": "<noframes><img src=T/1.gif></noframes>",
    "noembed": "<noembed><img src=T/1.gif></noembed>",
    "text of an iframe": "<iframe src=/x><img src=T/1.gif></iframe>",
    "plaintext": "<plaintext><img src=T/1.gif></plaintext>",
    "end tag": '</p src="><img src=T/1.gif>">',
    "attribute's text": '<p title="<img src=T/1.gif>">x',
    "second of two attributes": '<img src="/a.gif" src="T/1.gif">',
    "attribute of another element": "<p src=T/1.gif poster=T/1.gif data=T/1 srcset=T/1>x",
    "shown text in a style sheet": '<style>p::after { content : "T/1.gif"}</style>',
    "selector": '<style>a[href="T/"]{color:red}</style>',
    "style sheet's comment": "<style>/* @import 'T/1.css' */</style>",
    "style sheet's comment that does not end": "<style>/* @import 'T/1.css'</style>",
    "style without an address": "<p style='color:rgb(1,2,3)'>x",
    "section in svg": "<svg><![CDATA[<img src=T/1.gif]]></svg>",
    "svg link": "<svg><a href=T/1></a></svg>",
    "own svg symbol": "<svg><use href=#a /><use xlink:href='/own.svg#a'/></svg>",
    "iframe whose document stands in it": '<iframe src=T/1 srcdoc="<p>own"></iframe>',
    "tag that does not end": "<p>x<img src=T/1.gif",
    "comment that does not end": "<!-- <img src=T/1.gif>",
    "vertical tab in the name": "<img\x0bsrc=T/1.gif>",
    "embed's film elsewhere": "<a href=https://films.example/embed/1>x</a>",
    "film's own page": "<img src=https://films.example/poster.jpg>",
}


@pytest.mark.parametrize("case", KEPT.values(), ids=KEPT)
def test_what_leads_nowhere_else_stays(case: str) -> None:
    """What a browser neither fetches nor runs, and what needs no consent, comes out byte for byte."""
    check(case)


ADDRESSES = [
    "https://tracker.example/1.gif",
    "HtTpS:\\\\tracker.example\\1.gif",
    "/\\tracker.example/1.gif",
    "http:tracker.example/1.gif",
    "http:/tracker.example/1.gif",
    "https:///tracker.example/1.gif",
    " \n//tracker.example/1.gif\t",
    "ht\ttps://track\ner.example/1.gif",
    "ht&Tab;tps&colon;&sol;&sol;tracker&period;example/1.gif",
    "&#104;ttps://tracker.example/1.gif",
    "&#x68ttps://tracker.example/1.gif",
    "//tracker.example:8443/1.gif",
    "//tracker.example./1.gif",
    "//TRACKER.Example/1.gif",
    "//www.tracker.example/1.gif",
    "//shop.example@tracker.example/1.gif",
    "//tr%61cker.example/1.gif",
    "//tracker\u3002example/1.gif",
    "//\uff54racker.example/1.gif",
    "//track\u00ader.example/1.gif",
    "https&#0000000000058;//tracker.example/1.gif",
    "wss://tracker.example/1.gif",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_are_read_as_a_browser_reads_them(address: str) -> None:
    """However an address is written, it is the host that a browser would ask that counts."""
    check(f'<img{{H}} {{D}}src="{address}">')


BASES = {
    "base elsewhere": "<base href=T/><img{H} {D}src=1.gif><img src=https://shop.example/a.gif>",
    "empty address": "<base href=T/><link{H} rel=preconnect {D}href=''>",
    "parent folder": "<base href=T/a/b><script{S} {D}src=..></script>",
    "the first one counts": "<base href=/d/><base href=T/><img src=1.gif>",
    "one without an address is none": "<base target=x><base href=T/><img{H} {D}src=1.gif>",
    "one in a template is none": "<template><base href=//h.example/></template><base href=T/><img{H} {D}src=1.gif>",
    "one in a template's noscript": (
        "<template><noscript><base href=//h.example/></noscript></template><base href=T/><img{H} {D}src=1.gif>"
    ),
    "one that cannot be a base": "<base href=data:x,y><img src=1.gif>",
    "one after that, for a preload scanner": "<base href=data:x,y><base href=T/><img{H} {D}src=1.gif>",
    "one after a script's": "<base href=javascript:x><base href=T/><img{H} {D}src=1.gif>",
    "one after no address at all": "<base href='https://['><base href=T/><img{H} {D}src=1.gif>",
    "one after an address without a host": "<base href=about:x><base href=T/><img{H} {D}src=1.gif>",
    "one after a port too large": "<base href=//a.example:99999/><base href=T/><img{H} {D}src=1.gif>",
    "one after a slash and a slash": "<base href='/\t/['><base href=T/><img{H} {D}src=1.gif>",
    "one after an address of another site": "<base href=//a.example:80/><base href=T/><img src=1.gif>",
    "one after one in noscript": "<head><noscript><base href=/d/></noscript><base href=T/></head><img{H} {D}src=1.gif>",
    "one before one in noscript": "<head><noscript><base href=T/></noscript><base href=/d/></head><img{H} {D}src=1>",
    "one in noscript": "<head><noscript><base href=T/></noscript></head><img{H} {D}src=1.gif>",
    "in a style sheet": "<base href=T/><style>@import '{U}1.css'</style>",
    "after an import map": (
        '<script{H} type=importmap>{"imports":{"t":"{M}T/x.js"}}</script><base href=/d/>'
        '<script{S} {D}type=module>import "t"</script>'
    ),
}


@pytest.mark.parametrize("case", BASES.values(), ids=BASES)
def test_the_base_element_counts(case: str) -> None:
    """Relative addresses are resolved against the page's base, which only some elements set."""
    check(case)


IMPORT_MAPS = {
    "by name": ('{"imports":{"t":"{M}https://tracker.example/x.js"}}', 'import "t"'),
    "by folder": ('{"imports":{"t/":"{M}https://tracker.example/"}}', 'import {a} from "t/x.js"'),
    "by escapes": ('{"imports":{"\\u0074":"{M}https:\\u002f/tracker.example/x.js"}}', "import 't'"),
    "beside another": ('{"imports":{"a":"/a.js","\\x":"/b.js","t":"{M}//tracker.example/x.js"}}', "import 't'"),
    "by scope": ('{"scopes":{"/a/":{"t":"{M}//tracker.example/x.js"}}}', "export * from 't'"),
    "by address": ('{"imports":{"/a/b.js":"{M}//tracker.example/x.js"}}', "import './../a/./b.js'"),
    "by a name that looks like the end of another": ('{"imports":{":":"{M}//tracker.example/x.js"}}', 'import ":"'),
}


@pytest.mark.parametrize(("mapping", "code"), IMPORT_MAPS.values(), ids=IMPORT_MAPS)
def test_what_imports_a_held_address_by_an_import_map_is_held(mapping: str, code: str) -> None:
    """The map stays, but for the address; the module that imports it does not run."""
    check(f"<script{{H}} type=importmap>{mapping}</script><script{{S}} {{D}}type=module>{code}</script>")


def test_a_classic_script_can_import_by_a_map_too() -> None:
    """import() is a function of classic scripts as well."""
    check(
        '<script{H} type=importmap>{"imports":{"t":"{M}T/x.js"}}</script>'
        '<script{S}>import("t")</script><script>import("u")</script>'
    )


XHTML = {
    "image": '<html xmlns="http://www.w3.org/1999/xhtml"><img{H} {D}src="T/1.gif"/></html>',
    "script": '<html><script{S} {D}src="T/1.js"/></html>',
    "script with content": "<html><script{S}>trackNow(1)</script></html>",
    "script in a section": '<html><script{S}><![CDATA[ "</script>"; trackNow(1) ]]></script></html>',
    "script across a comment": "<html><script{S}>tra<!-- - -->ckNow(1)</script></html>",
    "script with references": "<html><script{S}>track&#78;ow(1)</script></html>",
    "prefixed script": "<h:html><h:script{S}>trackNow(1)</h:script></h:html>",
    "prefixed image": '<h:html><h:img{H} {D}src="T/1.gif"/></h:html>',
    "any prefix for XLink": '<html><s:image{H} x:{D}href="T/1.gif"/></html>',
    "style": '<html><style>@import "{U}T/1.css";</style></html>',
    "style in a section": '<html><style><![CDATA[@import "{U}T/1.css";]]></style></html>',
    "textarea is no raw text": '<html><textarea><img{H} {D}src="T/1.gif"/></textarea></html>',
    "noscript is no raw text": '<html><noscript><img{H} {D}src="T/1.gif"/></noscript></html>',
    "base": '<html><base href="T/"/><img{H} {D}src="1.gif"/></html>',
    "sign in a value": '<html><p title="a>b"><img{H} {D}src="T/1.gif"/></p></html>',
    "link to click on": '<html><a href="T/1">x</a><link rel="canonical" href="T/1"/></html>',
    "comment": '<html><!-- <img src="T/1.gif"/> --!> --></html>',
    "section": '<html><![CDATA[ > <img src="T/1.gif"/> ]]></html>',
    "instruction": '<?x <img src="T/1.gif"/> ?><html/>',
    "own style sheet": '<?xml-stylesheet href="/a.css"?><?xml-stylesheet type="x"?><html/>',
    "names by case": '<html><IMG SRC="T/1.gif"/></html>',
}


@pytest.mark.parametrize("case", XHTML.values(), ids=XHTML)
def test_xhtml_is_read_by_the_rules_of_xml(case: str) -> None:
    """In XHTML names keep their case, text elements hold markup, sections are text, and marks are quoted."""
    check(case, xml=True)


def test_a_style_sheet_instruction_is_made_another_one() -> None:
    """An instruction cannot carry a mark; under another name it does nothing."""
    page = b'<?xml-stylesheet href="//tracker.example/1.css"?><html/>'
    assert run(page, held_by=holder(xml=True)) == b'<?cmw-xml-stylesheet href="//tracker.example/1.css"?><html/>'


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html [<!ENTITY t \"<img src='//tracker.example/1'/>\">]><html>&t;</html>",
        b'<!DOCTYPE html PUBLIC "a>b" [<!ENTITY t "x">]><html>&t;</html>',
        b"<html><!ELEMENT x ANY></html>",
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_xhtml_with_declarations_of_its_own_is_refused(page: bytes, step: int) -> None:
    """Markup can hide in an entity that the page declares itself, so nothing of such a page is sent."""
    with pytest.raises(RefusedMarkup):
        run(page, range(step, len(page), step), held_by=holder(xml=True))


def nested_frames(url: bytes, depth: int) -> bytes:
    """Return a frame in frames, each in no known charset and with a byte beyond ASCII where a host may be."""
    frame = b'<iframe src="' + url + b'">'
    for _ in range(depth):
        frame = b'<iframe src="data:text/html;a=//\xe9,' + quote(b"<p title='//\xe9'>" + frame).encode() + b'">'
    return frame


def read_with_count(page: bytes) -> tuple[bytes, int]:
    """Return a rewritten page, and how many documents nested in it were read."""
    read: list[DataUrl] = []

    def reading(document: DataUrl, around: Holder) -> Ids:
        read.append(document)
        return held_in(document, around)

    policy = holder().policy
    return run(page, held_by=Holder(policy, PAGE, document=reading)), len(read)


def test_nested_documents_are_read_once() -> None:
    """A document in documents without a charset is read once, not in every charset of each of them."""
    _, read = read_with_count(nested_frames(b"/a", 3))
    assert read == 3


def test_what_is_in_nested_documents_is_held() -> None:
    """A tracker in the innermost of such documents holds the outermost frame."""
    page, _ = read_with_count(nested_frames(b"//tracker.example/", 3))
    assert b"data-cmw-held=tracker " in page
    assert b"src=/_cmw/placeholder/" in page or b"data-cmw-src=" in page


def test_too_many_readings_are_held_unread() -> None:
    """Documents whose readings differ in every charset on every level are held once they amount to too much."""
    frame = b"<iframe src='//\xe9'>"
    for _ in range(4):
        body = b"".join(quote(bytes([byte])).encode() if byte < 0x80 else bytes([byte]) for byte in frame)
        frame = b'<iframe src="data:text/html,//\xe9' + body + b'">'
    page, read = read_with_count(frame)
    assert b"data-cmw-held=unknown" in page
    assert read < 100
