"""
Sites with their own Content-Security-Policy, in real browsers: the banner works, what the policy allows runs, and the
policy does not block our parts.

Each site is visited twice, bare and wrapped: what a policy blocks on the bare site, it may block on the wrapped one.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.simple_server import WSGIServer
from wsgiref.simple_server import make_server

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Error
from playwright.sync_api import Page
from playwright.sync_api import expect

from consent_mw import ConsentMiddleware
from tests.browser.harness import chromium as chromium_driver
from tests.browser.harness.firefox import Firefox
from tests.browser.harness.proxy import Proxy

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

#: Timeout in milliseconds; far more than anything here takes, so that only a failure waits for it.
PATIENCE = 30_000

SERVICES = [
    {
        "id": "tags",
        "name": "Tags",
        "vendor": "Tags Ltd",
        "purposes": ["analytics"],
        "hosts": ["tags.localhost", "tags.example"],
    },
    {
        "id": "films",
        "name": "Films",
        "vendor": "Films Ltd",
        "purposes": ["embeds"],
        "hosts": ["films.localhost", "films.example"],
        "embed": True,
    },
    {"id": "queue", "name": "Queue", "vendor": "Queue Ltd", "purposes": ["analytics"], "inline": ["tagQueue("]},
]


@dataclass(frozen=True, slots=True)
class Policy:
    """
    The policies of a site, with TAGS and FILMS for the two hosts of its services.

    Args:
        headers: The names and values of the headers.
        meta: A policy in the page, as written between the quotes.
        quote: The quotes around the value in the page.
        config: The configuration of the site.
    """

    headers: tuple[tuple[str, str], ...] = ()
    meta: str = ""
    quote: str = '"'
    config: tuple[tuple[str, object], ...] = ()


CSP = "Content-Security-Policy"
TRIED = "Content-Security-Policy-Report-Only"
OPEN = "script-src TAGS 'nonce-n1'; frame-src FILMS"

POLICIES = {
    "self": Policy(((CSP, "default-src 'self'"),)),
    "nothing": Policy(((CSP, "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"),)),
    "hosts": Policy(((CSP, "default-src 'none'; script-src TAGS; frame-src FILMS; connect-src 'none'"),)),
    "nonce for scripts": Policy(((CSP, "default-src 'none'; img-src *; " + OPEN),)),
    "strict": Policy(((CSP, "script-src 'nonce-n1' 'strict-dynamic' 'unsafe-inline' https:; object-src 'none'"),)),
    "strict by hash": Policy(((CSP, "script-src 'sha256-dGhlaXJz' 'strict-dynamic'; style-src-elem 'none'"),)),
    "inline allowed": Policy(((CSP, "default-src 'self' TAGS FILMS 'unsafe-inline'"),)),
    "several": Policy(((CSP, "script-src 'self' TAGS, default-src 'self' TAGS FILMS"), (CSP, "form-action 'none'"))),
    "tried": Policy(((TRIED, "default-src 'none'; script-src TAGS"), (CSP, "style-src 'self'"))),
    "elements": Policy(((CSP, "script-src-elem TAGS; script-src 'none'; style-src-elem 'self'; child-src FILMS"),)),
    "in the page": Policy(meta="default-src 'self'; script-src TAGS; frame-src FILMS; connect-src 'none'"),
    "in the page, encoded": Policy(meta="default-src&#32;&apos;none&apos;&semi;form-action&#32;'none'", quote=""),
    "in both": Policy(((CSP, "script-src 'nonce-n1'; frame-src *"),), meta="script-src 'nonce-n2' TAGS", quote="'"),
    "named types": Policy(((CSP, "require-trusted-types-for 'script'; trusted-types app 'allow-duplicates'"),)),
    "types, strict": Policy(((CSP, "require-trusted-types-for 'script'; " + OPEN),)),
    "isolated": Policy(
        (
            ("Cross-Origin-Embedder-Policy", "require-corp"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            (CSP, "default-src 'self'; script-src 'self' TAGS"),
        )
    ),
    "sandboxed": Policy(((CSP, "sandbox allow-scripts allow-forms allow-same-origin; script-src TAGS 'nonce-n1'"),)),
    "credentialless": Policy((("Cross-Origin-Embedder-Policy", "credentialless"),)),
    "tightened": Policy(
        ((CSP, "default-src 'self' 'nonce-n1'; script-src 'nonce-n1' 'self' TAGS; frame-src FILMS"),),
        config=(("csp", "tighten"),),
    ),
    "tightened in the page": Policy(
        meta="script-src 'self' TAGS; frame-src FILMS 'self'", config=(("csp", "tighten"),)
    ),
    "enforced": Policy(config=(("csp", "enforce"), ("csp_reports", True))),
}

#: Reports to the test what the policy blocks; it survives reloads.
LISTENER = """
addEventListener('securitypolicyviolation', e => violated(
  e.effectiveDirective + ' ' + e.blockedURI.replace(/[?#].*/, '') + ' ' + e.disposition));
"""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def page_of(policy: Policy, tags: str, films: str) -> bytes:
    """Return the page of a site: a tag, a piece of code and a film."""
    value = policy.meta.replace("TAGS", tags).replace("FILMS", films)
    meta = f"<meta http-equiv=Content-Security-Policy content={policy.quote}{value}{policy.quote}>" if value else ""
    return f"""<!doctype html><html lang=en><head><meta charset=utf-8>{meta}<title>Prints</title></head><body>
<h1>Prints</h1>
<script nonce=n1 src="{tags}/tag.js"></script>
<script nonce=n1>(document.documentElement.dataset.queue = 'ran', tagQueue('start'));</script>
<iframe src="{films}/film" width=400 height=300></iframe>
</body></html>""".encode()


@dataclass
class Site:
    """A site with policies, and its services."""

    policy: Policy

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as the site or, by the host, as one of its services."""
        host, _, port = environ["HTTP_HOST"].partition(":")
        tags, films = f"http://tags.localhost:{port}", f"http://films.localhost:{port}"
        shared = [("Cross-Origin-Resource-Policy", "cross-origin"), ("Cross-Origin-Embedder-Policy", "require-corp")]
        if host == "tags.localhost":
            start_response("200 OK", [("Content-Type", "text/javascript"), *shared])
            return [b"document.documentElement.dataset.tag = 'ran';"]
        if host == "films.localhost":
            start_response("200 OK", [("Content-Type", "text/html"), *shared])
            return [b"<!doctype html><title>Film</title><p id=film>A film"]
        if environ["PATH_INFO"] != "/":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b""]
        headers = [(name, value.replace("TAGS", tags).replace("FILMS", films)) for name, value in self.policy.headers]
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), *headers])
        return [page_of(self.policy, tags, films)]


@contextmanager
def served(policy: Policy, folder: Path, *, wrapped: bool) -> Iterator[str]:
    """Serve a site on a free port, and yield its address."""
    site = Site(policy)
    if not wrapped:
        with listening(site) as url:
            yield url
        return
    settings = {"records": f"sqlite:///{folder}/consent.db", **dict(policy.config)}
    middleware = ConsentMiddleware(site, {"site": settings, "services": SERVICES})

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        own = environ["HTTP_HOST"].startswith("localhost")
        return (middleware if own else site)(environ, start_response)

    with listening(app) as url:
        yield url
    middleware.close()


@contextmanager
def listening(app: WSGIApplication) -> Iterator[str]:
    """Serve an app on a free port, and yield its address."""
    with make_server("127.0.0.1", 0, app, server_class=_Server, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


def running(page: Page) -> list[str]:
    """Return the parts of the page that run now."""
    ran = [name for name in ("tag", "queue") if page.evaluate(f"document.documentElement.dataset.{name}")]
    return ran + ["film" for frame in page.frames if frame.url.endswith("/film") and frame.query_selector("#film")]


def look(page: Page, expected: list[str]) -> list[str]:
    """Return the parts of the page that run, once they are as expected and nothing more came for a moment."""
    for _ in range(PATIENCE // 100):
        with suppress(Error):  # the page may be navigating
            if running(page) == expected:
                break
        page.wait_for_timeout(100)
    page.wait_for_timeout(200)
    return running(page)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A tab of a visitor without history."""
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", POLICIES)
def test_a_site_with_policies_goes_on_working(page: Page, tmp_path: Path, name: str) -> None:
    """The banner is styled, accepting runs everything that the policies allow, and our parts are not blocked."""
    policy = POLICIES[name]
    heard: set[str] = set()
    page.expose_function("violated", lambda text: heard.add(text))
    page.add_init_script(LISTENER)

    def stopped(url: str) -> set[str]:
        """Return and clear the blocked requests of pages."""
        found = {text for text in heard if "favicon" not in text}
        heard.clear()
        return {re.sub(r":[0-9]+(?=[/ ])", "", text) for text in found}

    with served(policy, tmp_path, wrapped=False) as url:
        page.goto(url)
        page.wait_for_timeout(300)
        bare, bare_stopped = running(page), stopped(url)
    with served(policy, tmp_path, wrapped=True) as url:
        page.goto(url)
        banner = page.locator("[data-cmw-banner]")
        expect(banner).to_be_visible()
        assert banner.evaluate("el => getComputedStyle(el).position") == "fixed"
        expect(page.locator("html[data-cmw-state=none]")).to_have_count(1)
        placeholder = next(frame for frame in page.frames if "/_cmw/placeholder/" in frame.url)
        expect(placeholder.locator("h1")).to_be_visible()
        assert (look(page, []), stopped(url) - bare_stopped) == ([], set())
        page.click("[data-cmw-banner] [value=accept-all]")
        expect(banner).to_have_count(0)
        expect(page.locator("html[data-cmw-state=accept]")).to_have_count(1)
        assert (look(page, bare), stopped(url) - bare_stopped) == (bare, set())
        page.goto(url)
        assert (look(page, bare), stopped(url) - bare_stopped) == (bare, set())


def test_the_form_works_where_a_page_may_send_none(chromium: Browser, tmp_path: Path) -> None:
    """Even without scripts, the choice is sent in spite of ``form-action 'none'``, and the way back works."""
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    with served(POLICIES["nothing"], tmp_path, wrapped=True) as url:
        page.goto(url)
        page.click("[data-cmw-banner] [value=accept-all]")
        expect(page.locator("[data-cmw-reopen]")).to_be_visible()
        expect(page.locator("[data-cmw-banner]")).to_have_count(0)
        assert page.url == url
    context.close()


@pytest.mark.parametrize("mode", ["off", "tighten", "enforce"])
def test_what_a_script_builds_is_stopped_by_the_policy(page: Page, tmp_path: Path, mode: str) -> None:
    """Without the guard, a tag created by a script runs before a choice, unless the policy depends on the choice."""

    def site(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        host, _, port = environ["HTTP_HOST"].partition(":")
        if host == "tags.localhost":
            start_response("200 OK", [("Content-Type", "text/javascript")])
            return [b"document.documentElement.dataset.tag = 'ran'"]
        if environ["PATH_INFO"] == "/own.js":
            start_response("200 OK", [("Content-Type", "text/javascript")])
            code = f"const s = document.createElement('script'); s.src = 'http://tags.localhost:{port}/tag.js'"
            return [f"{code}; document.head.append(s);".encode()]
        start_response(
            "200 OK", [("Content-Type", "text/html"), (CSP, f"script-src 'self' http://tags.localhost:{port}")]
        )
        return [b"<!doctype html><title>Prints</title><body><h1>Prints</h1><script src=/own.js></script>"]

    settings = {"records": f"sqlite:///{tmp_path}/consent.db", "csp": mode, "guard": False}
    middleware = ConsentMiddleware(site, {"site": settings, "services": SERVICES})

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        own = environ["HTTP_HOST"].startswith("localhost")
        return (middleware if own else site)(environ, start_response)

    with listening(app) as url:
        page.goto(url)
        before = look(page, ["tag"] if mode == "off" else [])
        page.click("[data-cmw-banner] [value=accept-all]")
        expect(page.locator("html[data-cmw-state=accept]")).to_have_count(1)
        assert (before, look(page, ["tag"])) == (["tag"] if mode == "off" else [], ["tag"])
    middleware.close()


def test_what_a_browser_reports_is_counted(chromium: Browser, tmp_path: Path) -> None:
    """An image from an undeclared host is blocked, and its site is counted for the day; nothing else is stored."""

    def site(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"<!doctype html><title>Prints</title><body><img src=https://u1.elsewhere.example/a.gif?ann>"]

    settings = {"csp": "enforce", "csp_reports": True, "unknown": "allow"}
    middleware = ConsentMiddleware(
        site, {"site": {"records": f"sqlite:///{tmp_path}/consent.db", **settings}, "services": SERVICES}
    )
    # A headless browser says so in reports, and automated clients are not counted.
    browser = chromium.browser_type.launch(
        executable_path=chromium_driver.find(whole=True), args=chromium_driver.flags()
    )
    page = browser.new_page()
    with listening(middleware) as url, page.expect_response("**/_cmw/csp") as answered:
        page.goto(url)
    browser.close()
    middleware.engine.tally.flush()
    counts = middleware.engine.records.counts(middleware.engine.today() + 2)
    middleware.close()
    assert answered.value.status == 204
    assert {(one.value, one.outcome): number for one, number in counts.items() if one.table == "csp"} == {
        ("elsewhere.example", "blocked"): 1
    }


OTHERS = {"tags.example", "films.example", "reports.example"}
IN_FIREFOX = {
    "hash": "script-src TAGS; style-src 'none'; frame-src FILMS; connect-src 'none'; form-action 'none'",
    "nonce": "default-src 'none'; img-src *; style-src 'nonce-n1'; script-src 'nonce-n1'; frame-src FILMS",
    "strict": "script-src 'nonce-n1' 'strict-dynamic'; style-src 'self'; require-trusted-types-for 'script'",
}


def test_in_firefox_nothing_of_ours_is_stopped(firefox: Firefox, proxy: Proxy, tmp_path: Path) -> None:
    """Under policies with hashes, with a nonce, and a strict one, accepting loads the tag, and nothing is reported."""
    policy = Policy()
    tags, films = "https://tags.example", "https://films.example"

    def site(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        name = environ["HTTP_HOST"].partition(".")[0]
        text = IN_FIREFOX[name].replace("TAGS", tags).replace("FILMS", films)
        headers = [("Content-Type", "text/html"), (CSP, f"{text}; report-uri https://reports.example/{name}")]
        start_response("200 OK", headers)
        return [re.sub(rb"<script nonce=n1>.*?</script>", b"", page_of(policy, tags, films))]

    settings = {"records": f"sqlite:///{tmp_path}/consent.db"}
    app = ConsentMiddleware(site, {"site": settings, "services": SERVICES})
    loaded, styled = {}, {}
    with (
        proxy.lane({f"{name}.example": app for name in IN_FIREFOX}) as lane,
        firefox.session(lane, scripts=True) as session,
    ):
        for name in IN_FIREFOX:
            start = lane.mark()
            session.open(f"https://{name}.example/")
            styled[name] = 'data-cmw-state="none"' in session.html()
            session.click("[data-cmw-banner] [value=accept-all]")
            lane.wait_for(lambda hits: f"{films}/film" in {hit.url for hit in hits}, since=start)
            lane.settle()
            loaded[name] = sorted(
                {hit.url for hit in lane.hits(start) if hit.host in OTHERS and hit.method != "CONNECT"}
            )
    assert styled == dict.fromkeys(IN_FIREFOX, True)
    assert loaded == dict.fromkeys(IN_FIREFOX, [f"{films}/film", f"{tags}/tag.js"])
