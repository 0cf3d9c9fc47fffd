"""
Other consent tools: the cookie that each really sets is read, and its choice applies.

Six come from their packages. Of the hosted ones there are only the published snippet and a stand-in
(:mod:`tests.browser.hosted_tools`).
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import expect

from consent_mw import ConsentMiddleware
from consent_mw import config
from consent_mw.audit.first_config import Facts
from consent_mw.audit.first_config import first_config
from consent_mw.audit.other_tools import tools_in
from consent_mw.audit.pages import Reader
from consent_mw.audit.targets import Response
from consent_mw.cookies.migrating import TOOLS
from tests import npm_packages
from tests.browser.harness.proxy import Lane
from tests.browser.harness.proxy import Proxy
from tests.browser.hosted_tools import GTAG
from tests.browser.hosted_tools import USERCENTRICS
from tests.browser.tool_pages import PACKAGES
from tests.browser.tool_pages import TOOLS_HERE
from tests.browser.tool_pages import Tool
from tests.browser.tool_pages import page_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment


#: A yes in Osano's notice is not for particular purposes.
ANSWERS = [(name, yes) for name in TOOLS_HERE for yes in (False, True) if (name, yes) != ("osano-cookieconsent", True)]


def site_of(tool: Tool) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """Return a site with the tool at ``/``, its files, and a page without it at ``/after``."""
    page = page_of(tool)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        kind, body = "text/html; charset=utf-8", page.encode()
        if path == "/after":
            body = f"<!doctype html><title>x</title><body><script src='{GTAG}'></script><h1>x</h1>".encode()
        elif path != "/":
            found = npm_packages.find(path.removeprefix("/npm/"))
            kind = mimetypes.guess_type(path)[0] or "text/plain"
            body = found.read_bytes() if found else b""
        start_response("200 OK", [("Content-Type", kind), ("Cache-Control", "no-store")])
        return [body]

    return app


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsentMiddleware]:
    """The pages after consent_mw has replaced the tool."""
    records = f"sqlite:///{tmp_path_factory.mktemp('records')}/consent.db"
    site = {"name": "x", "records": records, "migrate_from": list(TOOLS), "migrate_until": "2999-12-31"}
    any_tool = next(iter(PACKAGES.values()))
    made = ConsentMiddleware(site_of(any_tool), {"site": site, "services": [{"use": "google-analytics"}]})
    yield made
    made.close()


@pytest.fixture(scope="module")
def lane(proxy: Proxy) -> Iterator[Lane]:
    """One proxy for all visits."""
    with proxy.lane() as opened:
        yield opened


@pytest.mark.parametrize(("name", "yes"), ANSWERS)
def test_the_choice_made_with_the_real_tool_holds(
    chromium: Browser, lane: Lane, wrapped: ConsentMiddleware, name: str, yes: bool
) -> None:
    """A no applies without another question; a yes is recorded, and the granted services run at once."""
    tool = TOOLS_HERE[name]
    if tool.script:
        npm_packages.file(tool.script)
    host = f"{name}-{'yes' if yes else 'no'}.example"
    lane.serve(host, site_of(tool))
    context = chromium.new_context(proxy={"server": lane.address}, ignore_https_errors=True)
    try:
        page = context.new_page()
        page.goto(f"https://{host}/")
        button = page.locator(tool.accept if yes else tool.reject)
        button.wait_for()
        if tool.answer:  # the tool may not be listening for the click yet
            page.evaluate(tool.answer, yes)
        else:
            button.click()
        page.wait_for_function("cookie => RegExp(cookie).test(document.cookie)", arg=tool.cookie)
        lane.serve(host, wrapped)
        since = lane.mark()
        page.goto(f"https://{host}/after", wait_until="domcontentloaded")
        page.wait_for_selector("html[data-cmw-state]:not([data-cmw-state=none])", state="attached")
        assert page.evaluate("document.documentElement.dataset.cmwState") == ("accept" if yes else "reject")
        if yes:
            assert lane.wait_for(lambda hits: any(hit.host == "www.googletagmanager.com" for hit in hits), since)
        else:
            page.wait_for_load_state("load")
            assert [hit.host for hit in lane.hits(since) if hit.host == "www.googletagmanager.com"] == []
        expect(page.locator("[data-cmw-banner]")).to_be_hidden()
    finally:
        context.close()


@pytest.mark.parametrize("name", [*TOOLS_HERE, "usercentrics"])
def test_a_page_with_the_tool_is_recognised_and_mapped(name: str) -> None:
    """The audit names the tool alone; init declares the tag that it marks, and says which category is which purpose."""
    text = USERCENTRICS if name == "usercentrics" else page_of(TOOLS_HERE[name])
    assert [tool.id for tool in tools_in(text)] == [name]
    if name in PACKAGES:
        return
    reader = Reader(config.load({}))
    page = reader.read("https://x.example", "/", Response(200, (("Content-Type", "text/html"),), text.encode()))
    toml = first_config([page], reader, Facts("https://x.example/"))
    assert 'use = "google-analytics"' in toml
    (mapped,) = tools_in(text)
    assert [word for word in mapped.categories if word not in toml] == []
