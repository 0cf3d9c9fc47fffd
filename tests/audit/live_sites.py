"""Sites whose faults only a browser shows, and their clean twin. No address but the site's own can be reached."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from typing import NamedTuple

from flask import Flask
from flask import Response
from flask import redirect
from werkzeug.test import run_wsgi_app

from consent_mw import ConsentMiddleware
from tests.audit.sites import page

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment


class Fault(NamedTuple):
    """Code of a page's script, and the finding that it must give: its kind, service, and a part of its evidence."""

    code: str
    kind: str
    service: str
    evidence: str


_BEFORE = "fires-before-consent"
FAULTS: dict[str, Fault] = {
    "image": Fault("new Image().src = 'https://www.facebook.com/tr?id=1'", _BEFORE, "meta-pixel", "/app.js:"),
    "script": Fault("add('script', {src: 'https://static.hotjar.com/c/h.js'})", _BEFORE, "hotjar", "/app.js:"),
    "frame": Fault("add('iframe', {src: 'https://www.youtube.com/embed/a'})", _BEFORE, "youtube", "/app.js:"),
    "fetch": Fault("fetch('https://api-js.mixpanel.com/track').catch(() => 0)", _BEFORE, "mixpanel", "/app.js:"),
    "xhr": Fault(
        "const x = new XMLHttpRequest(); x.open('GET', 'https://bat.bing.com/x'); x.send()",
        _BEFORE, "bing-uet", "/app.js:",
    ),
    "socket": Fault("new WebSocket('wss://api2.amplitude.com/s')", _BEFORE, "amplitude", "wss://api2.amplitude.com/s"),
    "events": Fault("new EventSource('https://plausible.io/api/event')", _BEFORE, "plausible", "plausible.io"),
    "worker": Fault("new Worker('/worker.js')", _BEFORE, "clarity", "https://www.clarity.ms/collect"),
    "style": Fault(
        "add('style', {textContent: 'body{background:url(https://snap.licdn.com/x.gif)}'})",
        _BEFORE, "linkedin-insight", "",
    ),
    "redirect": Fault("new Image().src = '/away'", _BEFORE, "google-ads", "redirect https://localhost/away"),
    "chain": Fault("add('script', {src: '/second.js'})", _BEFORE, "tiktok-pixel", "/second.js:1:"),
    "leaving": Fault(
        "addEventListener('pagehide', () => navigator.sendBeacon('https://ct.pinterest.com/v3', 'x'))",
        _BEFORE, "pinterest-tag", "ct.pinterest.com",
    ),
    "lazy": Fault(
        "add('img', {loading: 'lazy', style: 'margin-top:9000px', src: 'https://trc.taboola.com/x'})",
        _BEFORE, "taboola", "trc.taboola.com",
    ),
    "own host": Fault("fetch('/g/c?v=2&tid=G-ABCDEFG')", "first-party-tracker", "google-analytics", "/g/c"),
    "own host, posted": Fault(
        "fetch('/h', {method: 'POST', body: 'v=2&tid=AW-ABCDEFG'})", "first-party-tracker", "google-ads", "/h"
    ),
    "signal": Fault("fetch('/g/d?gcs=G111')", "consent-mode-differs", "ad_storage", "/g/d"),
    "signal of Microsoft": Fault("fetch('/u?asc=G')", "consent-mode-differs", "asc", "/u"),
    "cookie": Fault("document.cookie = '_ga=1; max-age=9999999'", _BEFORE, "google-analytics", "cookie _ga < script"),
    "cookie that lasts": Fault(
        "document.cookie = '_rdt_uuid=1; max-age=20000000'", "cookie-outlives", "reddit-pixel", "cookie _rdt_uuid"
    ),
    "strange cookie": Fault("document.cookie = 'mystery=1'", "unknown-cookie", "", "cookie mystery"),
    "storage": Fault("localStorage.setItem('cto_bundle', 1)", _BEFORE, "criteo", "local storage cto_bundle"),
    "database": Fault("indexedDB.open('ONE_SIGNAL_SDK_DB')", _BEFORE, "onesignal", "IndexedDB ONE_SIGNAL_SDK_DB"),
    "stranger": Fault(
        "new Image().src = 'https://cdn.nobody-knows.example/x'", "not-held", "cdn.nobody-knows.example", "/app.js:"
    ),
    "default": Fault(
        "window.dataLayer = []; const gtag = function () { dataLayer.push(arguments) };"
        " gtag('consent', 'default', {ad_personalization: 'granted', ad_user_data: 'denied'})",
        "consent-mode-differs", "ad_personalization", "dataLayer: consent",
    ),
    "default of Microsoft": Fault(
        "window.uetq = []; uetq.push('consent', 'default', {ad_storage: 'granted'})",
        "consent-mode-differs", "ad_storage", "uetq: consent",
    ),
    "movement": Fault(
        "addEventListener('mousemove', () => add('script', {src: 'https://static.ads-twitter.com/u'}), {once: true})",
        _BEFORE, "x-pixel", "/app.js:",
    ),
    "timer": Fault(
        "setTimeout(() => { new Image().src = 'https://cdn.mouseflow.com/x' }, 9000)", _BEFORE, "mouseflow", "/app.js:"
    ),
    "hidden": Fault(
        "document.addEventListener('visibilitychange', () => document.hidden && navigator.sendBeacon('https://rs.fullstory.com/r'))",
        _BEFORE, "fullstory", "rs.fullstory.com",
    ),
    "own host, known body": Fault(
        "fetch('/u', {method: 'POST', body: JSON.stringify({api_key: 'phc_abcdef', event: '$pageview'})})",
        "first-party-tracker", "posthog", "/u",
    ),
    "own host, beacon with a known body": Fault(
        "navigator.sendBeacon('/u?b', new Blob([JSON.stringify({writeKey: 'k'})], {type: 'application/json'}))",
        "first-party-tracker", "segment", "/u",
    ),
    "traits": Fault(
        "const c = document.createElement('canvas'); c.getContext('2d').fillText('x', 1, 1); c.toDataURL();"
        " new OfflineAudioContext(1, 44100, 44100).startRendering(); navigator.plugins.length",
        "fingerprinting", "localhost", "/app.js",
    ),
    "strange entry": Fault("localStorage.visitor = '1'", "unknown-storage", "", "local storage visitor"),
    "own host, id alone": Fault(
        "fetch('/u?c=1&measurement=G-ABCDEFGH12')", "first-party-tracker", "google-analytics", "/u?c"
    ),
    "own host, base64": Fault(
        "fetch('/u?q=' + btoa('ev=PageView&id=123456&fbp=1'))", "first-party-tracker", "meta-pixel", "/u?q"
    ),
    "peer": Fault(
        "new RTCPeerConnection({iceServers: [{urls: 'stun:stun.unheard.example:3478'}]})",
        "not-held", "stun.unheard.example", "/app.js:",
    ),
    "strange database": Fault("indexedDB.open('people')", "unknown-storage", "", "IndexedDB people"),
    "objection": Fault(
        "navigator.globalPrivacyControl && add('script', {src: 'https://js.adsrvr.org/up.js'})",
        "fires-with-gpc", "the-trade-desk", "/app.js:",
    ),
    "refusal": Fault(
        "document.querySelector('#no').onclick = () => { document.querySelector('#notice').remove();"
        " document.cookie = 'no=1; path=/'; new Image().src = 'https://sc-static.net/scevent.min.js' }",
        "fires-after-reject", "snap-pixel", "/app.js:",
    ),
    "acceptance": Fault(
        "document.querySelector('#yes').onclick = () => { document.querySelector('#notice').remove();"
        " add('script', {src: 'https://js.intercomcdn.com/x'}) }",
        "undeclared", "intercom", "",
    ),
}  # fmt: skip

#: A notice of somebody's own, which makes it harder to say no.
_NOTICE = (
    "<div id=notice style='position:fixed;bottom:0;background:#fff'>We use cookies."
    "<button id=yes style='font:bold 20px sans-serif;padding:12px 30px'>Accept all</button>"
    "<a id=no href='#' style='color:#ccc;font:10px sans-serif' tabindex=-1>Reject</a></div>"
)
_BUTTON = "font:16px sans-serif;padding:9px;color:#000;background:#ddd;"
_PLAIN = (
    "<div role=dialog aria-label=Cookies style='position:fixed;bottom:0;background:#fff'>We use cookies. {more}"
    f"<button style='{_BUTTON}'>Accept all</button>"
    f" <button {{marks}} style='{_BUTTON}{{style}}'>Reject all</button></div>"
)
#: Notices: how their button that refuses differs, what else they have, and what is said of them; nothing of the first.
NOTICES: dict[str, tuple[str, str]] = {
    name: (_PLAIN.format(style=style, marks=marks, more=more), said)
    for name, style, marks, more, said in (
        ("plain", "", "", "", ""),
        ("other colours", "color:oklch(0 0 0);background:color-mix(in srgb, #ddd, #ddd)", "", "", ""),
        ("transparent", "opacity:.1", "", "", "it is transparent"),
        ("faint by alpha", "color:rgb(0 0 0 / .12)", "", "", "fainter"),
        ("faint by a newer colour", "color:oklch(.85 0 0)", "", "", "fainter"),
        ("off the window", "position:absolute;left:-9999px", "", "", "outside of what the window shows"),
        ("moved text", "text-indent:-999px;overflow:hidden", "", "", "moved out of sight"),
        ("cut off", "clip-path:inset(50%)", "", "", "covers it, or it takes no click"),
        ("takes no click", "pointer-events:none", "", "", "covers it, or it takes no click"),
        ("not said", "", "aria-hidden=true", "", "screen readers do not say it"),
        ("not by keyboard", "", "tabindex=-1", "", "keyboard"),
        (
            "ticked", "", "",
            "<label><input type=checkbox checked disabled> Comfort</label>"
            "<label><input type=checkbox checked> Necessary</label>"
            "<label><input type=checkbox checked> Statistics</label>",
            "anybody ticked them: Statistics.",
        ),
        ("switched on", "", "", "<i role=switch aria-checked=true aria-label=Adverts></i>", "ticked them: Adverts."),
    )
}  # fmt: skip
#: What a tool of React puts into the page, which was sent without any of it (c15t 2.2.1, without its styles).
C15T = (
    "<div data-testid=consent-banner-root dir=ltr><div><a href='https://c15t.com' data-branding=c15t>Secured by</a>"
    "<div tabindex=0 data-testid=consent-banner-card aria-label='Cookies: your choice' aria-modal=true role=dialog>"
    "<div data-testid=consent-banner-description>We use cookies and similar technologies for statistics.</div>"
    "<div data-testid=consent-banner-footer><button type=button data-testid=consent-banner-reject-button>No</button>"
    "<button type=button data-testid=consent-banner-accept-button>Yes</button>"
    "<button type=button data-testid=consent-banner-customize-button>Choose</button></div></div></div></div>"
)
_HELPERS = "const add = (name, set) => document.body.append(Object.assign(document.createElement(name), set));"
DECLARED = [
    {"use": "reddit-pixel"},
    {"use": "google-analytics"},
    {"use": "google-ads"},
    {"use": "meta-pixel"},
    {"use": "youtube"},
]


def app_of(code: str, markup: str) -> Flask:
    """Return a site of one page, whose script has ``code`` in it."""
    app = Flask("live", static_folder=None)

    def script(text: str) -> Callable[[], Response]:
        return lambda: Response(text, mimetype="text/javascript")

    app.add_url_rule("/", endpoint="home", view_func=lambda: page(f"<h1>x</h1>{markup}<script src=/app.js></script>"))
    app.add_url_rule("/app.js", endpoint="app", view_func=script(code))
    second = script("fetch('https://analytics.tiktok.com/api').catch(() => 0)")
    app.add_url_rule("/second.js", endpoint="second", view_func=second)
    app.add_url_rule(
        "/worker.js", endpoint="worker", view_func=script("fetch('https://www.clarity.ms/collect').catch(() => 0)")
    )
    app.add_url_rule("/away", endpoint="away", view_func=lambda: redirect("https://www.googleadservices.com/x"))
    for path in ("/g/c", "/g/d", "/u", "/h"):
        app.add_url_rule(path, endpoint=path, view_func=lambda: ("", 204), methods=["GET", "POST"])
    return app


def faulty() -> Flask:
    """Return a site without consent_mw, with each fault in its script."""
    return app_of(_HELPERS + "".join(f"\n{{ {fault.code} }}" for fault in FAULTS.values()), _NOTICE)


#: Asks a known tracker for nothing as long as nobody granted it, and goes on once somebody takes it back.
_STICKY = """
addEventListener('load', () => {
  const allows = () => window.consentMw && window.consentMw.allows('analytics');
  if (allows()) localStorage.setItem('had', 1);
  document.addEventListener('cmw:change', () => { if (allows()) localStorage.setItem('had', 1); });
  if (localStorage.getItem('had') && !allows()) fetch('https://widget.intercom.io/x').catch(() => 0);
  if (allows()) fetch('/g/d?gcs=G100');
});
"""


def holed(folder: Path) -> tuple[ConsentMiddleware, WSGIApplication]:
    """Return a site with consent_mw, whose script forgets no consent and behind which a script is put in."""
    inner = _wrapped(app_of(_STICKY, ""), folder)

    def behind(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        chunks, status, headers = run_wsgi_app(inner, environ, buffered=True)
        body = b"".join(chunks)
        if environ["PATH_INFO"] == "/":
            body = body.replace(b"</body>", b"<img src=https://www.facebook.com/tr?id=9 alt=''></body>")
            headers.remove("Content-Length")
        start_response(status, headers.to_wsgi_list())
        return [body]

    return inner, behind


def clean(folder: Path) -> ConsentMiddleware:
    """Return a site with consent_mw that does nothing but what visitors allowed."""
    return _wrapped(app_of("fetch('/u')", "<iframe src=https://www.youtube.com/embed/x></iframe>"), folder)


def _wrapped(app: Flask, folder: Path) -> ConsentMiddleware:
    site = {"name": "Live", "records": f"sqlite:///{folder}/consent.db"}
    return ConsentMiddleware(app.wsgi_app, {"site": site, "services": DECLARED})


class Hostile(NamedTuple):
    """A page that wants to keep a browser for itself, what is said of it, and how long it is waited for."""

    markup: str
    said: str = ""
    seconds: float = 30


_FRAMES = "for (let i = 0; i < 60; i++) document.write('<iframe src=/u?' + i + '></iframe>')"
HOSTILE: dict[str, Hostile] = {
    "loop": Hostile("<script>for (;;);</script>", "did not answer", 1),
    "never": Hostile("<img src=/slow alt=''>", "still loading", 1),
    "dialogs": Hostile("<script>setInterval(() => alert(1), 0)</script>"),
    "popups": Hostile("<script>for (let i = 0; i < 5; i++) open('/')</script>"),
    "requests": Hostile("<script>for (let i = 0; i < 99; i++) new Image().src = '/u?' + i</script>", "more than 40"),
    "frames": Hostile(f"<script>{_FRAMES}</script>", "more than 40"),
    "bytes": Hostile("<img src=/big alt=''>", "more than 100,000 bytes"),
    "refresh": Hostile("<meta http-equiv=refresh content=0>", "loading|more than 40", 3),
    "debugger": Hostile("<script>setInterval(() => { debugger }, 0)</script>"),
    "download": Hostile("<script>location = '/file'</script>"),
}


def hostile(end: Event) -> Flask:
    """Return a site of such pages; ``end`` lets go what hangs."""
    app = app_of("", "")
    for name, one in HOSTILE.items():
        app.add_url_rule(f"/{name}", endpoint=name, view_func=lambda markup=one.markup: page(markup))

    def slow() -> str:
        end.wait(60)
        return ""

    attached = {"Content-Disposition": "attachment"}
    app.add_url_rule("/slow", endpoint="slow", view_func=slow)
    app.add_url_rule("/big", endpoint="big", view_func=lambda: Response(b"x" * 900_000, mimetype="image/png"))
    app.add_url_rule("/file", endpoint="file", view_func=lambda: Response(b"x" * 1000, headers=attached))
    return app
