"""
The runtime in a real browser: what it releases behaves as if the page had been parsed with it.

The file is long because all of it drives one script, and its fixtures are only of use here.

Most tests load one page twice, bare and held, and compare what was logged,
what was requested and what the document holds.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from collections.abc import Sequence

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import expect

from consent_mw.notice.assets import Assets
from tests.browser.runtime_pages import Site
from tests.browser.runtime_pages import serve

#: Milliseconds; far more than anything here takes, so that only a failure waits for it.
PATIENCE = 30_000

LOG = "<script>LOG = []; log = what => { LOG.push(what); };</script>"

#: The document as text: elements in order with their attributes sorted, style sheets and text content of ``main``.
OUTLINE = """() => {
  const lines = [];
  const tell = (node, depth) => {
    const names = [...node.attributes].map(one => one.name + '=' + one.value).sort();
    lines.push(' '.repeat(depth) + [node.localName, ...names].join(' '));
    if (node.localName === 'style') lines.push(node.textContent);
    if (node.shadowRoot) [...node.shadowRoot.children].forEach(child => tell(child, depth + 1));
    if (node.content) [...node.content.children].forEach(child => tell(child, depth + 1));
    [...node.children].forEach(child => tell(child, depth + 1));
  };
  tell(document.head, 0);
  tell(document.body.cloneNode(false), 0);
  const main = document.querySelector('main');
  if (main) tell(main, 0);
  return lines;
}"""


@pytest.fixture
def site() -> Iterator[Site]:
    """A server of its own for every test."""
    with serve() as running:
        yield running


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A tab of a visitor without history."""
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def accept(page: Page) -> None:
    """Press "Accept all"."""
    page.click("[data-cmw-banner] [value=accept-all]")


def log(page: Page) -> list[str]:
    """Return what the page's scripts logged so far."""
    found: list[str] = page.evaluate("LOG")
    return found


def wait_for(page: Page, expected: Sequence[str]) -> list[str]:
    """Return the log once it is as long as ``expected`` and nothing more came for a moment."""
    page.wait_for_function("count => LOG.length >= count", arg=len(expected))
    page.wait_for_timeout(150)
    return log(page)


def bare(page: Page, address: str) -> list[str]:
    """Load the bare page and return its log after the load event."""
    page.goto(f"{address}/bare", wait_until="load")
    page.wait_for_timeout(300)
    return log(page)


def held(page: Page, address: str) -> None:
    """Load the held page; nothing of it may have run."""
    page.goto(f"{address}/held", wait_until="load")
    assert [] == log(page)


def add(site: Site, text: str, *, head: str = "") -> str:
    """Serve a small page whose body is ``text``."""
    body = textwrap.dedent(text).strip("\n")
    return site.add("p", f"<!doctype html><html><head><title>p</title>{LOG}{head}</head><body>{{{{banner}}}}\n{body}\n")


def released(page: Page, site: Site, text: str, *, head: str = "", wait: str = "") -> list[str]:
    """Load a small held page, accept everything and return the log once ``wait`` stands in it."""
    held(page, add(site, text, head=head))
    accept(page)
    if wait:
        page.wait_for_function("what => LOG.includes(what)", arg=wait)
    page.wait_for_timeout(150)
    return log(page)


# -- order


@pytest.mark.parametrize("name", ["order", "events", "writes"])
def test_released_code_runs_as_in_the_bare_page(page: Page, site: Site, name: str) -> None:
    """Scripts, their writes and their listeners are run in the same order as in the page that never held them."""
    address = site.add_file(name)
    expected = bare(page, address)
    held(page, address)
    accept(page)
    actual = wait_for(page, expected)
    assert expected == actual
    assert len(expected) > 10


@pytest.mark.parametrize("name", ["order", "events", "writes"])
def test_released_code_requests_what_the_bare_page_does(page: Page, site: Site, name: str) -> None:
    """Each file is asked for as often as by the bare page, and none before the choice."""
    address = site.add_file(name)
    expected_log = bare(page, address)
    expected = [path for path in site.requests(f"/{name}/") if not path.endswith("/bare")]
    site.asked.clear()
    held(page, address)
    assert [f"/{name}/held"] == site.requests(f"/{name}/")
    accept(page)
    wait_for(page, expected_log)
    assert expected == [path for path in site.requests(f"/{name}/") if not path.endswith("/held")]


def test_written_markup_gives_the_tree_of_the_bare_page(page: Page, site: Site) -> None:
    """What document.write adds stands where the parser would have put it, whatever pieces it came in."""
    address = site.add_file("writes")
    expected_log = bare(page, address)
    expected = page.evaluate("[document.head.innerHTML, document.querySelector('main').innerHTML]")
    held(page, address)
    accept(page)
    wait_for(page, expected_log)
    assert expected == page.evaluate("[document.head.innerHTML, document.querySelector('main').innerHTML]")


def test_first_party_listeners_are_not_called_again(page: Page, site: Site) -> None:
    """Listeners and handlers that the page had before the release are called once in all, and stay."""
    address = site.add_file("events")
    expected = bare(page, address)
    held(page, address)
    handler = page.evaluate("own.kept = window.onload, own.kept.toString()")
    accept(page)
    wait_for(page, expected)
    assert {"ready": 1, "load": 1, "handler": 1} == page.evaluate(
        "({ready: own.ready, load: own.load, handler: own.handler})"
    )
    assert handler == page.evaluate("own.kept.toString()")


def test_a_handler_that_ran_is_not_chained(page: Page, site: Site) -> None:
    """Code that keeps the former window.onload and calls it from its own does not run it a second time."""
    found = released(
        page,
        site,
        """
        <script>window.onload = () => { own = (window.own || 0) + 1; };</script>
        <script{+ data-cmw-held=t type=text/plain+}>
        const former = window.onload;
        window.onload = () => { if (former) former(); log('load ' + own); };
        </script>
        """,
        wait="load 1",
    )
    assert ["load 1"] == found


def test_the_page_keeps_its_handler_where_released_code_sets_none(page: Page, site: Site) -> None:
    """After a release that set no handler, window.onload is the page's own again."""
    released(
        page,
        site,
        """
        <script>own = () => {}; window.onload = own;</script>
        <script{+ data-cmw-held=t type=text/plain+}>addEventListener('load', () => { log('load'); });</script>
        """,
        wait="load",
    )
    assert page.evaluate("window.onload === own")


def test_listening_is_as_before_after_the_release(page: Page, site: Site) -> None:
    """When all is released, window and document have the browser's own methods again."""
    released(
        page,
        site,
        "<script{+ data-cmw-held=t type=text/plain+}>addEventListener('load', () => { log('load'); });</script>",
        wait="load",
    )
    own = "['addEventListener', 'removeEventListener'].some(name => Object.hasOwn({0}, name))"
    assert not page.evaluate(own.replace("{0}", "window"))
    assert not page.evaluate(own.replace("{0}", "document"))


def test_readiness_listeners_are_called_when_all_is_done(page: Page, site: Site) -> None:
    """readystatechange and pageshow reach listeners and handlers, after DOMContentLoaded and before or after load."""
    found = released(
        page,
        site,
        """
        <script{+ data-cmw-held=t type=text/plain+}>
        document.onreadystatechange = () => { log('handler ' + document.readyState); };
        document.addEventListener('readystatechange', () => { log('listener ' + document.readyState); });
        addEventListener('pageshow', event => { log('pageshow'); });
        addEventListener('load', () => { log('load'); });
        document.addEventListener('DOMContentLoaded', () => { log('ready'); });
        </script>
        """,
        wait="pageshow",
    )
    assert ["ready", "handler complete", "listener complete", "load", "pageshow"] == found


def test_a_listener_that_wants_one_event_gets_one(page: Page, site: Site) -> None:
    """Called for the event that had passed, a listener with {once} does not hear the next; one without does."""
    released(
        page,
        site,
        """
        <script{+ data-cmw-held=t type=text/plain+}>
        addEventListener('pageshow', () => { log('once'); }, { once: true });
        addEventListener('pageshow', () => { log('always'); });
        </script>
        """,
        wait="always",
    )
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow'))")
    assert ["once", "always", "always"] == log(page)


def test_scripts_wait_for_the_stylesheets_before_them(page: Page, site: Site) -> None:
    """A script finds the styles of a released stylesheet that stands before it, as in the bare page."""
    address = add(
        site,
        """
        <link{+ data-cmw-held=t+} rel="stylesheet" {+data-cmw-+}href="slow.css">
        <link{+ data-cmw-held=t+} rel="stylesheet" media="print" {+data-cmw-+}href="never.css">
        <script{+ data-cmw-held=t type=text/plain+}>log(getComputedStyle(document.body).color); fetch('ran');</script>
        --- slow.css 300
        body { color: rgb(1, 2, 3) }
        --- never.css @ran
        """,
    )
    expected = bare(page, address)
    held(page, address)
    accept(page)
    assert ["rgb(1, 2, 3)"] == expected == wait_for(page, expected)


def test_a_choice_before_the_end_of_the_page_waits_for_it(page: Page, site: Site) -> None:
    """Released while images still load, code hears the browser's own load event, once and after its scripts."""
    address = add(
        site,
        """
        <img src="slow.gif" alt="">
        <script{+ data-cmw-held=t type=text/plain+}>log('first'); addEventListener('load', () => { log('load'); });
        </script>
        <script{+ data-cmw-held=t type=text/plain+} {+data-cmw-+}src="slow.js"></script>
        <script{+ data-cmw-held=t type=text/plain+}>addEventListener('load', () => { log('last load'); });</script>
        --- slow.gif 700
        --- slow.js 300
        log('slow');
        """,
    )
    page.goto(f"{address}/held", wait_until="domcontentloaded")
    accept(page)
    assert ["first", "slow", "load", "last load"] == wait_for(page, ["", "", "", ""])


# -- document.write


@pytest.mark.parametrize(
    "code",
    [
        "setTimeout(late)",
        "addEventListener('load', late)",
        "Promise.resolve().then(() => { document.open(); late(); document.close(); })",
    ],
    ids=["timer", "load", "promise"],
)
def test_late_writing_never_wipes_the_page(page: Page, site: Site, code: str) -> None:
    """Text written when no script runs lands behind the last released script, and the page stays."""
    released(
        page,
        site,
        f"""
        <p id="first">page</p>
        <script{{+ data-cmw-held=t type=text/plain+}} id="writer">
        const late = () => {{ document.write('<p class=late>late</p>'); log('wrote'); }};
        {code};
        </script>
        <p id="last">page</p>
        """,
        wait="wrote",
    )
    around = "[...document.querySelectorAll('#first, #writer, .late, #last')].map(one => one.id || one.className)"
    assert ["first", "writer", "late", "last"] == page.evaluate(around)


def test_written_images_are_requested_once(page: Page, site: Site) -> None:
    """The document that written text is parsed in loads nothing itself."""
    released(
        page,
        site,
        """
        <script{+ data-cmw-held=t type=text/plain+}>
        document.write('<img src="a.gif"><noscript><img src="no.gif"></noscript><link rel="stylesheet" href="a.css">');
        addEventListener('load', () => { log('load'); });
        </script>
        --- a.gif 0
        --- a.css 0
        --- no.gif 0
        """,
        wait="load",
    )
    page.wait_for_load_state("networkidle")
    assert ["/p/a.css", "/p/a.gif", "/p/held"] == site.requests("/p/")


# -- elements


def test_elements_come_back_as_they_were(page: Page, site: Site) -> None:
    """Images, frames, styles, media, handlers and the rest hold the attributes and texts of the bare page."""
    address = site.add_file("elements")
    expected_log = bare(page, address)
    expected = page.evaluate(OUTLINE)
    held(page, address)
    accept(page)
    wait_for(page, expected_log)
    assert expected == page.evaluate(OUTLINE)


def test_elements_load_what_the_bare_page_loads(page: Page, site: Site) -> None:
    """Each held address is requested after the choice, none before it, and each handler is called once."""
    address = site.add_file("elements")
    expected_log = bare(page, address)
    page.wait_for_load_state("networkidle")
    expected = set(site.requests("/elements/")) - {"/elements/bare"}
    site.asked.clear()
    held(page, address)
    page.wait_for_load_state("networkidle")
    own = {f"/elements/{name}" for name in ("held", "own.gif", "own3.gif", "own4.gif", "absent.gif")}
    assert own == set(site.requests("/elements/"))
    accept(page)
    actual_log = wait_for(page, expected_log)
    page.wait_for_load_state("networkidle")
    # Without its source the picture showed its image.
    assert expected | {"/elements/own4.gif"} == set(site.requests("/elements/")) - {"/elements/held"}
    assert sorted(expected_log) == sorted(actual_log)


def test_a_frame_leaves_no_step_in_the_history(page: Page, site: Site) -> None:
    """The way back from a page does not lead to the placeholder that a frame had before."""
    address = add(
        site,
        """
        <iframe{+ data-cmw-held=t src=/_cmw/placeholder/t+} {+data-cmw-+}src="frame.html"
        {+data-cmw-+}onload="log('frame')"></iframe>
        --- frame.html 0
        <!doctype html>
        """,
    )
    held(page, address)
    before = page.evaluate("history.length")
    accept(page)
    wait_for(page, ["frame"])
    assert before == page.evaluate("history.length")
    assert f"{address}/frame.html" == page.frames[1].url


def test_a_refresh_that_was_held_goes_off(page: Page, site: Site) -> None:
    """A meta refresh counts from the release."""
    address = add(
        site, "", head='<meta{+ data-cmw-held=t+} http-equiv="refresh" {+data-cmw-+}content="0; url=/_cmw/next">'
    )
    held(page, address)
    accept(page)
    page.wait_for_url("**/_cmw/next")


def test_cloned_templates_run(page: Page, site: Site) -> None:
    """Markup in a template is released too, so that its later copies work."""
    released(
        page,
        site,
        """
        <template><script{+ data-cmw-held=t type=text/plain+}>log('of the template');</script></template>
        <script{+ data-cmw-held=t type=text/plain+}>log('ran');</script>
        """,
        wait="ran",
    )
    page.evaluate("document.body.append(document.querySelector('template').content.cloneNode(true))")
    assert ["ran", "of the template"] == log(page)


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "linked"])
def test_xhtml_pages_are_released(page: Page, site: Site, inline: bool) -> None:
    """In an XHTML page scripts run, SVG ones and those with xlink:href too, and attributes keep their namespaces."""
    site.content_type = "application/xhtml+xml; charset=utf-8"
    site.inline = False
    address = site.add(
        "x",
        """<html xmlns="http://www.w3.org/1999/xhtml" xmlns:xlink="http://www.w3.org/1999/xlink"><head><title>x</title>
        <script>LOG = []; log = what => { LOG.push(what); };</script></head><body>{{banner}}
        <script{+ data-cmw-held="t" type="text/plain"+}>log('one'); log(document.currentScript.localName);</script>
        <svg xmlns="http://www.w3.org/2000/svg">
        <script{+ data-cmw-held="t" type="text/plain"+} xlink:{+data-cmw-+}href="a.js"/>
        <image{+ data-cmw-held="t"+} xlink:{+data-cmw-+}href="a.gif"/></svg>
        <p{+ data-cmw-held="t"+} {+data-cmw-+}style="color: red" id="p">p</p></body></html>
--- a.js 0
log('two');
--- a.gif 0
""",
    )
    expected = bare(page, address)
    held(page, address)
    accept(page)
    assert expected == wait_for(page, expected)
    assert "a.gif" == page.evaluate(
        "document.querySelector('image').getAttributeNS('http://www.w3.org/1999/xlink', 'href')"
    )
    assert "rgb(255, 0, 0)" == page.evaluate("getComputedStyle(document.getElementById('p')).color")


# -- what a grant covers


TWO_FRAMES = """
<iframe{+ data-cmw-held=t src=/_cmw/placeholder/t+} id="one" {+data-cmw-+}src="one.html"></iframe>
<iframe{+ data-cmw-held=t src=/_cmw/placeholder/t+} id="two" {+data-cmw-+}src="two.html"></iframe>
<script{+ data-cmw-held=t type=text/plain+}>log('ran');</script>
--- one.html 0
--- two.html 0
"""


def test_an_embed_is_shown_once_and_nothing_else(page: Page, site: Site) -> None:
    """Asked for by its placeholder, one frame loads; the others and the scripts of its service stay held."""
    held(page, add(site, TWO_FRAMES))
    page.focus("#one")
    with page.expect_response("**/one.html"):
        page.frames[1].evaluate("parent.postMessage('cmw:once', location.origin)")
    page.wait_for_timeout(200)
    assert ["/p/held", "/p/one.html"] == site.requests("/p/")
    assert '<iframe src="one.html" id="one"></iframe>' == page.locator("#one").evaluate("frame => frame.outerHTML")
    assert ["one", []] == page.evaluate("[document.activeElement.id, LOG]")
    assert ["none", False] == page.evaluate("[document.documentElement.dataset.cmwState, consentMw.allows('t')]")
    with page.expect_response("**/two.html"):
        accept(page)
    assert ["ran"] == wait_for(page, ["ran"])
    assert ["/p/held", "/p/one.html", "/p/two.html"] == site.requests("/p/")


@pytest.mark.parametrize(
    "attempt",
    [
        "postMessage('cmw:once', location.origin)",
        "document.getElementById('free').contentWindow.eval(`parent.postMessage('cmw:once', origin)`)",
        "dispatchEvent(new MessageEvent('message', { data: 'cmw:once', origin, source: one.contentWindow }))",
    ],
    ids=["page", "other frame", "made up"],
)
def test_only_a_placeholder_shows_its_embed(page: Page, site: Site, attempt: str) -> None:
    """A message that does not come from a held frame gives nothing back."""
    held(page, add(site, TWO_FRAMES.replace("<script", '<iframe id="free"></iframe><script', 1)))
    page.evaluate(attempt)
    page.wait_for_timeout(200)
    assert ["/p/held"] == site.requests("/p/")


def test_only_what_is_granted_is_released(page: Page, site: Site) -> None:
    """Of elements, of addresses in style sheets and of srcset lists only those come back whose every id is granted."""
    address = add(
        site,
        """
        <script{+ data-cmw-held=t type=text/plain+}>log('t');</script>
        <script{+ data-cmw-held=u type=text/plain+}>log('u');</script>
        <script{+ data-cmw-held=t,u type=text/plain+}>log('t and u');</script>
        <script{+ data-cmw-held=analytics type=text/plain+}>log('by purpose');</script>
        <style>p { background: url(about:invalid#cmw=t#t.gif), url(about:invalid#cmw=u#u.gif) }</style>
        <img{+ data-cmw-held=u,t+} srcset="about:invalid#cmw=u#u2.gif 1x, about:invalid#cmw=t#t2.gif 2x" alt="">
        """,
    )
    held(page, address)
    page.check("[name=purpose][value=analytics]")
    page.click("[value=save]")
    assert ["t", "by purpose"] == wait_for(page, ["", ""])
    assert "p { background: url(t.gif), url(about:invalid#cmw=u#u.gif) }" == page.inner_html(
        "style:not([data-cmw-style])"
    )
    expect(page.locator("img")).to_have_attribute("srcset", "about:invalid#cmw=u#u2.gif 1x, t2.gif 2x")
    expect(page.locator("html")).to_have_attribute("data-cmw-state", "partial")


def test_a_second_choice_releases_the_rest(page: Page, site: Site) -> None:
    """What stayed held after a partial grant is released by a later one, and nothing runs twice."""
    address = add(
        site,
        """
        <script{+ data-cmw-held=t type=text/plain+}>log('t'); onload = () => { log('load of t'); };</script>
        <script{+ data-cmw-held=u type=text/plain+}>log('u ' + onload); onload = () => { log('load of u'); };</script>
        """,
    )
    held(page, address)
    page.check("[name=purpose][value=analytics]")
    page.click("[value=save]")
    wait_for(page, ["t", "load of t"])
    page.evaluate("""fetch('/_cmw/choice', {
        method: 'POST', headers: { Accept: 'application/json' }, body: new URLSearchParams('action=accept-all'),
    }).then(() => new BroadcastChannel('cmw').postMessage('changed'))""")
    assert ["t", "load of t", "u null", "load of u"] == wait_for(page, ["", "", "", ""])


def test_a_refusal_releases_nothing(page: Page, site: Site) -> None:
    """Rejecting leaves every held element as it is, without a reload."""
    address = site.add_file("elements")
    held(page, address)
    page.wait_for_load_state("networkidle")
    before = page.evaluate(OUTLINE)
    asked = site.requests("/elements/")
    page.click("[value=reject-all]")
    expect(page.locator("[data-cmw-banner]")).to_have_count(0)
    page.wait_for_timeout(200)
    assert before == page.evaluate(OUTLINE)
    assert asked == site.requests("/elements/")
    expect(page.locator("html")).to_have_attribute("data-cmw-state", "reject")


def test_withdrawing_reloads_the_page(page: Page, site: Site) -> None:
    """What has run cannot be stopped within the page, so a withdrawal loads it anew."""
    address = add(site, "<script{+ data-cmw-held=t type=text/plain+}>log('t');</script>")
    held(page, address)
    accept(page)
    wait_for(page, ["t"])
    with page.expect_navigation():
        page.evaluate("""fetch('/_cmw/choice', {
            method: 'POST', headers: { Accept: 'application/json' }, body: new URLSearchParams('action=reject-all'),
        }).then(() => new BroadcastChannel('cmw').postMessage('changed'))""")
    assert 2 == site.asked.count("/p/held")
    assert [] == log(page)


def test_reload_mode_reloads_after_opting_in(page: Page, site: Site) -> None:
    """With release = "reload" a grant loads the page anew."""
    site.release = "reload"
    address = add(site, "")
    held(page, address)
    with page.expect_navigation():
        accept(page)
    assert ["/p/held", "/p/held"] == site.requests("/p/")


def test_reload_mode_does_not_reload_after_a_refusal(page: Page, site: Site) -> None:
    """With release = "reload" a refusal leaves the page alone: nothing would change."""
    site.release = "reload"
    held(page, add(site, ""))
    page.click("[value=reject-all]")
    expect(page.locator("[data-cmw-banner]")).to_have_count(0)
    page.wait_for_timeout(200)
    assert ["/p/held"] == site.requests("/p/")


def test_a_release_that_cannot_be_loaded_ends_in_another_page(page: Page, site: Site) -> None:
    """Where the second half of the runtime does not come, the choice is sent as a form, whose answer leads back."""
    page.route("**/release.js", lambda route: route.abort())
    held(page, add(site, "<script{+ data-cmw-held=t type=text/plain+}>log('t');</script>"))
    with page.expect_navigation():
        accept(page)
    assert "/_cmw/" == page.evaluate("location.pathname")
    assert 1 == len(site.forms)


def test_a_refusal_is_not_lost_if_the_visitor_leaves_at_once(page: Page, site: Site) -> None:
    """Before the second half has come, it is sent as the page is left: once, however often one clicks."""
    site.halved = True
    held(page, add(site, "<p>p</p>"))
    page.dblclick("[value=reject-all]")
    page.goto(f"{site.address}/_cmw/")
    assert site.answered.wait(60)
    held(page, add(site, "<p>p</p>"))
    expect(page.locator("html")).to_have_attribute("data-cmw-state", "reject")
    assert (["no-cors"], [["reject-all"]]) == (site.modes, [form["action"] for form in site.forms])


def test_a_refusal_is_not_lost_if_the_second_half_is_stopped(page: Page, site: Site) -> None:
    """A blocker may stop it, or a browser that is about to leave the page: the refusal is sent with the leaving."""
    page.route("**/release.js", lambda route: route.abort())
    held(page, add(site, "<p>p</p>"))
    page.click("[value=reject-all]")
    expect(page.locator("[data-cmw-banner]")).to_be_hidden()
    page.unroute("**/release.js")
    assert [] == site.forms
    page.goto(f"{site.address}/_cmw/")
    assert site.answered.wait(60)
    assert (["no-cors"], [["reject-all"]]) == (site.modes, [form["action"] for form in site.forms])


def test_leaving_grants_nothing(page: Page, site: Site) -> None:
    """Without a click nothing is sent; nor is a grant, since the click may have been meant for something else."""
    site.halved = True
    held(page, add(site, "<p>p</p>"))
    page.goto(f"{site.address}/_cmw/")
    held(page, add(site, "<p>p</p>"))
    page.click("[value=accept-all]")
    page.goto(f"{site.address}/_cmw/")
    page.evaluate("() => fetch('/_cmw/state')")
    assert [] == site.forms


def test_a_runtime_that_comes_late_releases_nothing(page: Page, site: Site) -> None:
    """Run when the page had been parsed, it cannot tell what the server sent: it makes no code of anything."""
    site.inline = False
    page.route("**/runtime.js", lambda route: route.abort())
    held(page, add(site, "<div></div>"))
    page.evaluate("""() => {
        document.querySelector('div').innerHTML = '<script data-cmw-held="t" type="text/plain">log(1)</' + 'script>';
        const former = document.querySelector('[data-cmw-root]');
        const late = document.createElement('script');
        for (const { name, value } of former.attributes) late.setAttribute(name, value);
        late.src += '?late';
        former.replaceWith(late);
    }""")
    page.wait_for_function("window.consentMw")
    page.evaluate("addEventListener('pagehide', () => { sessionStorage.left = LOG.length; })")
    with page.expect_navigation():
        accept(page)
    assert "0" == page.evaluate("sessionStorage.left")


# -- safety


@pytest.mark.parametrize(
    "markup",
    [
        '<img data-cmw-held="t" src="absent.gif" data-cmw-onerror="log(1)">',
        '<p data-cmw-held="t" data-cmw-onclick="log(1)">p</p>',
        '<iframe data-cmw-held="t" data-cmw-srcdoc="&lt;script&gt;parent.log(1)&lt;/script&gt;"></iframe>',
        '<iframe data-cmw-held="t" data-cmw-src="javascript:parent.log(1)"></iframe>',
        '<iframe data-cmw-held="t" data-cmw-src=" java&#10;script:parent.log(1)"></iframe>',
        '<script data-cmw-held="t" type="text/plain">log(1)</script>',
        '<script data-cmw-held="t" data-cmw-src="evil.js"></script>',
        '<object data-cmw-held="t" data-cmw-data="evil.html"></object>',
        '<a data-cmw-held="t" data-cmw-href="javascript:log(1)">a</a>',
    ],
)
def test_markup_that_came_later_never_becomes_code(page: Page, site: Site, markup: str) -> None:
    """Data attributes pass sanitizers: in what scripts added to the page they are not turned into code."""
    address = add(
        site, "<div></div><script{+ data-cmw-held=t type=text/plain+}>log('ran');</script>\n--- evil.js 0\nlog(1)"
    )
    held(page, address)
    page.evaluate("markup => { document.querySelector('div').innerHTML = markup; }", markup)
    accept(page)
    wait_for(page, ["ran"])
    page.evaluate("for (const one of document.querySelectorAll('div > a, div > p')) one.click()")
    page.wait_for_timeout(200)
    assert ["ran"] == log(page)


def test_what_came_later_waits_for_the_next_page(page: Page, site: Site) -> None:
    """What a script put into the page, held by the server, cannot be told from a visitor's markup: it stays held."""
    held(page, add(site, "<div></div><script{+ data-cmw-held=t type=text/plain+}>log('ran');</script>"))
    markup = '<img data-cmw-held="t" data-cmw-src="a.gif"><iframe data-cmw-held="t" data-cmw-src="a.html"></iframe>'
    page.evaluate("markup => { document.querySelector('div').innerHTML = markup; }", markup)
    accept(page)
    wait_for(page, ["ran"])
    assert markup == page.inner_html("div")
    assert ["/p/held"] == site.requests("/p/")


def test_a_nonce_survives(page: Page, site: Site) -> None:
    """Under a policy of nonces, scripts that had one run, and one without stays silent, as in the bare page."""
    site.nonce = "n1"
    site.headers = {"Content-Security-Policy": "script-src 'nonce-n1' 'strict-dynamic'"}
    page_log = LOG.replace("<script>", '<script nonce="n1">')
    address = site.add(
        "p",
        f"""<!doctype html><head>{page_log}</head><body>{{{{banner}}}}
<script{{+ data-cmw-held=t type=text/plain+}} nonce="n1">log('inline ' + document.currentScript.nonce);</script>
<script{{+ data-cmw-held=t type=text/plain+}} nonce="n1" {{+data-cmw-+}}src="a.js"></script>
<script{{+ data-cmw-held=t type=text/plain+}} nonce="n1" {{+data-cmw-+}}type="module">log('module'); </script>
<script{{+ data-cmw-held=t type=text/plain+}}>log('without a nonce');</script>
<script{{+ data-cmw-held=t type=text/plain+}} nonce="n1">
document.write('<script>log("written without a nonce")</' + 'script><script nonce="n1">log("written")</' + 'script>');
document.addEventListener('DOMContentLoaded', () => {{ log('ready'); }});
</script>
--- a.js 0
log('external');
""",
    )
    expected = bare(page, address)
    assert ["inline n1", "external", "written", "module", "ready"] == expected
    held(page, address)
    accept(page)
    assert expected == wait_for(page, expected)


def test_trusted_types_do_not_stop_the_release(page: Page, site: Site) -> None:
    """Where the page requires Trusted Types and allows our policy, scripts and handlers come back."""
    site.headers = {"Content-Security-Policy": "require-trusted-types-for 'script'; trusted-types consent-mw"}
    found = released(
        page,
        site,
        """
        <script{+ data-cmw-held=t type=text/plain+}>log('inline');</script>
        <p{+ data-cmw-held=t+} id="p" {+data-cmw-+}onclick="log('click')">p</p>
        <script{+ data-cmw-held=t type=text/plain+} {+data-cmw-+}src="a.js"></script>
        --- a.js 0
        log('external'); document.getElementById('p').click();
        """,
        wait="click",
    )
    assert ["inline", "external", "click"] == found


#: What code of the page gets when it tries to make trusted text without a policy of its own.
REACH = """() => {
  const got = [];
  const attempt = run => { try { run(); got.push('allowed'); } catch (error) { got.push(error.name); } };
  attempt(() => { document.createElement('script').text = 'log(1)'; });
  attempt(() => { document.createElement('script').src = '/x.js'; });
  attempt(() => { document.body.setAttribute('onclick', 'log(1)'); });
  attempt(() => trustedTypes.createPolicy('consent-mw', { createScript: text => text }));
  const names = Object.getOwnPropertyNames(window).filter(name => /cmw|consent/i.test(name));
  const ours = names.flatMap(name => [window[name], ...Object.values(window[name] || {})]);
  const call = one => { try { return one('x'); } catch { return 0; } };
  const made = ours.filter(one => typeof one === 'function').map(call);
  return [...got, trustedTypes.defaultPolicy, made.some(one => trustedTypes.isScript(one) || trustedTypes.isHTML(one))];
}"""


def test_our_policy_is_out_of_reach_of_the_page(page: Page, site: Site) -> None:
    """After a release, the page can still make no trusted text: our policy and what uses it are not for it."""
    site.headers = {"Content-Security-Policy": "require-trusted-types-for 'script'; trusted-types consent-mw"}
    script = "<script{+ data-cmw-held=t type=text/plain+}>log('inline');</script>"
    assert ["inline"] == released(page, site, script, wait="inline")
    assert page.evaluate(REACH) == ["TypeError", "TypeError", "TypeError", "TypeError", None, False]


def test_a_script_that_never_answers_is_passed_over(page: Page, site: Site) -> None:
    """After ten seconds the scripts behind one that hangs run without it."""
    address = add(
        site,
        """
        <script{+ data-cmw-held=t type=text/plain+} {+data-cmw-+}src="hangs.js"></script>
        <script{+ data-cmw-held=t type=text/plain+}>log('behind');</script>
        --- hangs.js 300000
        """,
    )
    page.clock.install()
    held(page, address)
    with page.expect_request("**/hangs.js"):
        accept(page)
        page.clock.run_for(1000)
    assert [] == log(page)
    page.clock.run_for(10_000)
    assert ["behind"] == wait_for(page, ["behind"])


def test_the_inline_copy_cannot_end_its_script() -> None:
    """The runtime may stand inside a script element of any page: ASCII, without an end tag or a comment's beginning."""
    text = Assets().read("runtime.js").lower()
    assert text.isascii()
    assert [] == [part for part in (b"</script", b"<script", b"<!--") if part in text]


# -- the banner


def test_the_choice_is_posted_as_the_form_would_be(page: Page, site: Site) -> None:
    """The fields of the form and the pressed button are sent, as by the form itself."""
    held(page, add(site, ""))
    page.check("[name=purpose][value=marketing]")
    page.click("[value=save]")
    expect(page.locator("[data-cmw-banner]")).to_have_count(0)
    assert [{"back": ["/"], "purpose": ["marketing"], "action": ["save"]}] == site.forms


def test_a_failed_choice_is_sent_as_a_form(page: Page, site: Site) -> None:
    """Where the server cannot take the choice, the browser submits the form itself and shows the answer."""
    site.choice_status = 503
    held(page, add(site, ""))
    accept(page)
    page.wait_for_url("**/_cmw/choice")
    expect(page).to_have_title("try again")
    assert [{"back": ["/"], "action": ["accept-all"]}] * 2 == site.forms


def test_a_base_element_does_not_lead_the_choice_away(page: Page, site: Site) -> None:
    """The choice goes to the page's own host even where relative addresses go to another."""
    held(
        page,
        add(
            site,
            "<script{+ data-cmw-held=t type=text/plain+}>log('ran');</script>",
            head='<base href="http://cdn.localhost:9/">',
        ),
    )
    accept(page)
    assert ["ran"] == wait_for(page, ["ran"])
    assert ["POST /_cmw/choice"] == site.requests("POST")


def test_two_presses_are_one_choice(page: Page, site: Site) -> None:
    """Pressing again while the choice is on its way sends nothing more."""
    held(page, add(site, ""))
    page.evaluate("const b = document.querySelector('[value=accept-all]'); b.click(); b.click();")
    expect(page.locator("[data-cmw-banner]")).to_have_count(0)
    assert ["POST /_cmw/choice"] == site.requests("POST")


def test_the_choice_is_announced_and_can_be_reopened(page: Page, site: Site) -> None:
    """After the choice a status says so, the reopen control shows, and focus is on it, as the banner is gone."""
    held(page, add(site, "<p>page</p>"))
    expect(page.locator("[data-cmw-reopen]")).to_be_hidden()
    page.focus("[value=accept-all]")
    page.keyboard.press("Enter")
    expect(page.locator("[role=status]")).to_have_text("Your choice is saved.")
    expect(page.locator("[data-cmw-reopen]")).to_be_visible()
    expect(page.locator("[data-cmw-action=open]")).to_be_focused()
    expect(page.locator("html")).to_have_attribute("data-cmw-state", "accept")


def test_the_page_is_told(page: Page, site: Site) -> None:
    """cmw:change and onChange tell the choice once, before anything is released, and can be left again."""
    address = add(site, "<script{+ data-cmw-held=t type=text/plain+}>log('released');</script>")
    held(page, address)
    page.evaluate("""() => {
        document.addEventListener('cmw:change', event => { log(JSON.stringify(event.detail)); });
        consentMw.onChange(detail => { log(detail.state + consentMw.allows('t')); });
        consentMw.onChange(() => { log('left'); })();
    }""")
    accept(page)
    told = '{"granted":["t","u"],"purposes":["necessary","analytics","marketing"],"state":"accept","reload":false}'
    expected = [told, "accepttrue", "released"]
    assert expected == wait_for(page, expected)


def test_the_page_can_ask_what_is_allowed(page: Page, site: Site) -> None:
    """allows() knows necessary, and purposes and services from the page and after the choice."""
    held(page, add(site, ""))
    ask = "['necessary', 't', 'analytics', 'u', 'other'].filter(consentMw.allows)"
    assert ["necessary"] == page.evaluate(ask)
    page.check("[name=purpose][value=analytics]")
    page.click("[value=save]")
    expect(page.locator("[data-cmw-banner]")).to_have_count(0)
    assert ["necessary", "t", "analytics"] == page.evaluate(ask)
    page.reload()
    assert ["necessary", "t", "analytics"] == page.evaluate(ask)


def test_open_shows_the_banner_or_leads_to_the_preferences(page: Page, site: Site) -> None:
    """open() shows a banner that is in the page, and goes to the preferences page where there is none."""
    held(page, add(site, ""))
    page.evaluate("document.querySelector('[data-cmw-banner]').hidden = true")
    page.evaluate("consentMw.open()")
    expect(page.locator("[data-cmw-banner]")).to_be_visible()
    page.evaluate("document.querySelector('[data-cmw-banner]').remove()")
    page.evaluate("void consentMw.open()")  # what it returns may go with the page
    page.wait_for_url("**/_cmw/")


@pytest.mark.parametrize(
    "control", ['<button data-cmw-action="open">o</button>', '<a href="/_cmw/x" data-cmw-action="open"><i>o</i></a>']
)
def test_own_controls_open_the_choices(page: Page, site: Site, control: str) -> None:
    """Any control of the page marked data-cmw-action=open opens the choices; a link keeps its address."""
    held(page, add(site, f"<main>{control}</main>"))
    page.evaluate("document.querySelector('[data-cmw-banner]').remove()")
    page.click("main > *")
    page.wait_for_url("**/_cmw/x" if "href" in control else "**/_cmw/")


def test_a_page_from_the_cache_follows_a_later_choice(page: Page, site: Site) -> None:
    """A page that comes back from the back/forward cache asks for the state; it releases, or reloads on withdrawal."""
    address = add(site, "<script{+ data-cmw-held=t type=text/plain+}>log('t');</script>")
    held(page, address)
    restored = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
    with page.expect_response("**/_cmw/state"):
        page.evaluate(restored)
    page.wait_for_timeout(200)
    assert ["/p/held"] == site.requests("/p/")
    page.evaluate("document.cookie = 'choice=analytics; path=/'")
    page.evaluate(restored)
    assert ["t"] == wait_for(page, ["t"])
    expect(page.locator("[data-cmw-banner]")).to_have_count(0)
    assert ["/p/held"] == site.requests("/p/")
    page.evaluate("document.cookie = 'choice=none; path=/'")
    with page.expect_navigation():
        page.evaluate(restored)
    assert ["/p/held", "/p/held"] == site.requests("/p/")


def test_a_held_import_map_is_released_with_the_next_page(page: Page, site: Site) -> None:
    """A browser reads a map once, so a grant loads the page again. Until then the module does nothing."""
    empty = "data:text/javascript,export%20default%20function(){}#"
    imports = f'<script{{+ data-cmw-held=t+}} type=importmap>{{"imports":{{"a":"{{+{empty}+}}/p/a.js"}}}}</script>'
    address = add(site, imports + '<script type=module>import a from "a"; log(typeof a);</script>')
    page.goto(f"{address}/held", wait_until="load")
    assert ["function"] == wait_for(page, ["function"])
    assert [] == site.requests("/p/a.js")
    with page.expect_navigation():
        accept(page)
    assert ["/p/held", "/p/held"] == site.requests("/p/")


def test_the_page_works_without_the_runtime(page: Page, site: Site) -> None:
    """With the script blocked the banner is a form like any other, and nothing held has run."""
    site.inline = False
    page.route("**/r*e.js", lambda route: route.abort())
    held(page, site.add_file("order"))
    accept(page)
    page.wait_for_url("**/_cmw/")
    assert [{"back": ["/"], "action": ["accept-all"]}] == site.forms
