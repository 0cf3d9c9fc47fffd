"""
The Django edge, synchronous and asynchronous: pages, streams, files, cookies, and what views and templates know.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.template import TemplateSyntaxError
from django.template import engines
from django.test import AsyncClient
from django.test import Client
from django.test import override_settings

import consent_mw.django
from consent_mw import ConsentMiddleware as WsgiMiddleware
from consent_mw.core.counts import SHOWN
from consent_mw.core.counts import TOTAL
from consent_mw.django import ConsentMiddleware
from consent_mw.django.apps import ConsentConfig
from consent_mw.django.asgi import get_asgi_application
from consent_mw.django.setup import engine
from consent_mw.django.setup import jobs
from consent_mw.errors import ConfigError
from tests.edges import django_site as project  # configures Django
from tests.edges.contract import ask_asgi
from tests.running import run

CONSENT = {"services": [{"use": "google-analytics"}, {"use": "youtube"}]}
BANNER = b'data-cmw-banner=""'


class Extended(ConsentMiddleware):
    """A project's own class in the place of ours."""


Ask = Callable[..., Any]
Consent = Mapping[str, object]


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Consent]:
    """Give the project records of its own."""
    given = {"site": {"records": f"sqlite:///{tmp_path}/consent.db"}, **CONSENT}
    for made in (engine, jobs):
        made.cache_clear()
    with override_settings(CONSENT=given):
        yield given
    for made in (engine, jobs):
        made.cache_clear()


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, configured: Consent) -> Ask:
    """Return what sends a request through the project, by one of its two handlers."""
    if request.param == "sync":
        client = Client(headers={"sec-fetch-dest": "document"})
        return lambda path, method="get", **more: getattr(client, method)(path, secure=True, **more)
    aclient = AsyncClient()

    async def gathered(path: str, method: str, more: dict[str, Any]) -> Any:
        told = {"sec-fetch-dest": "document", **more.pop("headers", {})}
        response = await getattr(aclient, method)(path, secure=True, headers=told, **more)
        if response.streaming and response.is_async:
            response.gathered = b"".join([piece async for piece in response])
        return response

    return lambda path, method="get", **more: run(gathered(path, method, more))


def body(response: Any) -> bytes:
    """Return all of a response's body."""
    if not response.streaming:
        return bytes(response.content)
    if response.is_async:
        return bytes(response.gathered)
    return b"".join(response)


def accept(ask: Ask) -> Any:
    """Accept everything by the banner's form."""
    return ask(
        "/_cmw/choice",
        "post",
        data="action=accept-all&back=/",
        content_type="application/x-www-form-urlencoded",
        headers={"sec-fetch-site": "same-origin"},
    )


def test_a_page_is_held_and_asks(ask: Ask) -> None:
    """A view's page comes out held, with its banner and its new length."""
    response = ask("/")
    assert b"data-cmw-held=google-analytics" in body(response)
    assert BANNER in body(response)
    assert response.get("Content-Length", str(len(body(response)))) == str(len(body(response)))
    assert response["X-Own"] == "1"


def test_a_tracker_s_cookie_is_not_set_and_the_site_s_own_is(ask: Ask) -> None:
    """What the project sets for itself stays as it was."""
    response = ask("/")
    assert {morsel.OutputString() for morsel in response.cookies.values() if morsel.key == "own"} != set()
    assert [morsel.key for morsel in response.cookies.values()] == ["own"]


def test_a_tracker_s_cookies_that_arrive_are_expired_on_every_domain(configured: Consent) -> None:
    """Several cookies of one name go out, which Django's own dictionary of cookies has no place for."""
    response = Client().get("/", secure=True, headers={"cookie": "_ga=1", "host": "www.shop.example"})
    gone = {morsel.OutputString() for morsel in response.cookies.values() if morsel.key == "_ga"}
    assert gone >= {"_ga=; Path=/; Max-Age=0", "_ga=; Path=/; Max-Age=0; Domain=shop.example"}


def test_the_whole_way_of_a_choice(ask: Ask) -> None:
    """After "accept all" by the form the next page has the tag as the view wrote it, and no question."""
    chosen = accept(ask)
    assert (chosen.status_code, chosen["Location"]) == (303, "/")
    content = body(ask("/"))
    assert project.HELD.encode() in content
    assert BANNER not in content


@pytest.mark.parametrize("path", ["/allowed", "/allowed-async"])
def test_views_know_what_is_allowed(ask: Ask, path: str) -> None:
    """``request.consent.allows`` answers in each kind of view."""
    assert json.loads(body(ask(path))) == {"necessary": True, "analytics": False}
    accept(ask)
    assert json.loads(body(ask(path))) == {"necessary": True, "analytics": True}


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")
@pytest.mark.parametrize("path", ["/streamed", "/streamed-async"])
def test_a_streamed_page_is_held(ask: Ask, path: str) -> None:
    """Pieces may cut a tag anywhere, and come from either kind of generator."""
    response = ask(path)
    assert response.streaming
    assert b"data-cmw-src" in body(response)


def test_a_page_that_is_a_file_is_held(ask: Ask, tmp_path: Path) -> None:
    """A file is not handed to the server where it is a page."""
    (tmp_path / "page.html").write_text(project.PAGE, "utf-8")
    response = ask("/file", data={"name": str(tmp_path / "page.html")})
    assert b"data-cmw-src" in body(response)
    assert getattr(response, "file_to_stream", None) is None


def test_what_is_no_page_stays_as_it_is(ask: Ask) -> None:
    """Images and events are the project's own bytes under its own headers."""
    image, events = ask("/image"), ask("/events")
    assert (body(image), image["Content-Type"]) == (b"png", "image/png")
    assert body(events) == b"data: 1\n\n"


def test_a_compressed_page_is_held(ask: Ask) -> None:
    """Django's own compression, which stands inside, hides nothing."""
    response = ask("/", headers={"accept-encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"
    assert b"data-cmw-src" in gzip.decompress(body(response))


@pytest.mark.parametrize("path", ["/unreadable", "/cut"])
def test_a_page_that_cannot_be_read_is_refused(ask: Ask, path: str) -> None:
    """The raw page does not go out; the answer says what to change."""
    response = ask(path)
    assert response.status_code == 500
    assert b"compress" in body(response)


def test_templates_know_what_is_allowed(ask: Ask) -> None:
    """The tag shows its first part where the service or purpose is allowed, else its second one, if it has any."""
    assert body(ask("/templated")).endswith(b"noyes")
    accept(ask)
    assert body(ask("/templated")).endswith(b"yesyes")


def test_a_tag_without_its_name_is_told(configured: Consent) -> None:
    """A template that cannot be understood fails when it is compiled."""
    with pytest.raises(TemplateSyntaxError, match="takes one service or purpose"):
        engines["django"].from_string("{% load consent %}{% consent %}{% endconsent %}")


def test_a_template_without_a_request_allows_nothing(configured: Consent) -> None:
    """An e-mail has no visitor who could have agreed."""
    made = engines["django"].from_string('{% load consent %}{% consent "necessary" %}yes{% else %}no{% endconsent %}')
    assert made.render({}) == "no"


def test_a_template_says_where_the_banner_stands(ask: Ask) -> None:
    """The tag moves the banner to its place, on that page only; without a request it is nothing."""
    page, plain = (body(ask(path, headers={"sec-fetch-dest": "document"})) for path in ("/placed", "/"))
    assert [content.count(BANNER) for content in (page, plain)] == [1, 1]
    assert page.index(b"<main>") < page.index(BANNER) < page.index(b"</main>")
    assert engines["django"].from_string("{% load consent %}[{% consent_banner %}]").render({}) == "[]"


def test_a_template_shows_the_declaration(ask: Ask) -> None:
    """The tag is markup, begins with the headings asked for, and needs no request."""
    text = engines["django"].from_string("{% load consent %}{% consent_policy level=3 %}").render({})
    assert '<h3 id="cmw-policy-own">' in text
    assert 'href="/_cmw/receipt"' in text


def test_a_form_that_is_too_large_is_refused(ask: Ask) -> None:
    """Nobody fills the memory through the form of the banner."""
    response = ask("/_cmw/choice", "post", data="a=" + "x" * 100_000, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 413


def test_the_rates_are_open_to_staff_only(ask: Ask) -> None:
    """Without a setting of its own the project's staff may look, and nobody else."""
    assert ask("/_cmw/stats").status_code in (401, 403, 404)


def test_the_project_s_own_command_has_those_of_the_command_line(
    configured: Consent, capsys: pytest.CaptureFixture[str]
) -> None:
    """``manage.py consent ledger verify`` works on the records that the project's settings name."""
    engine()
    with pytest.raises(SystemExit) as ended:
        call_command("consent", "ledger", "verify")
    assert (ended.value.code, "Ledger of" in capsys.readouterr().out) == (0, True)


@pytest.mark.parametrize(
    ("changed", "ids"),
    [
        ({}, []),
        ({"MIDDLEWARE": []}, ["consent_mw.E002"]),
        ({"MIDDLEWARE": ["django.middleware.gzip.GZipMiddleware", *settings.MIDDLEWARE]}, ["consent_mw.W001"]),
        (
            {"MIDDLEWARE": ["django.middleware.security.SecurityMiddleware", *settings.MIDDLEWARE]},
            [],
        ),
        ({"MIDDLEWARE": [*settings.MIDDLEWARE, *settings.MIDDLEWARE]}, ["consent_mw.W003"]),
        ({"MIDDLEWARE": [f"{__name__}.Extended"]}, []),
        ({"CONSENT": {"site": {"unknwon": "hold"}, "services": [{"use": "gogle-analytics"}]}}, ["consent_mw.E001"] * 2),
    ],
    ids=["fine", "absent", "late", "after-security", "twice", "extended", "mistakes"],
)
def test_the_checks_tell_what_would_go_wrong(
    configured: Consent, changed: dict[str, object], ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``manage.py check`` names each mistake under an id that stays."""
    monkeypatch.setitem(os.environ, "CONSENT_KEYS", "k" * 40)
    with override_settings(**changed):
        found = [message.id for message in run_checks() if str(message.id).startswith("consent_mw")]
    assert found == ids


@pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("inner", [[], ["django.middleware.common.CommonMiddleware"]], ids=["last", "first"])
@pytest.mark.parametrize(
    "name", ["consent_mw.ConsentMiddleware", "consent_mw.ConsentASGIMiddleware", "consent_mw.flask.Consent"]
)
def test_another_edge_in_the_list_of_middleware_is_named(handler: type, inner: list[str], name: str) -> None:
    """Whatever server the project is for, the error says what to write in MIDDLEWARE."""
    with override_settings(MIDDLEWARE=[name, *inner]), pytest.raises(ConfigError, match="MIDDLEWARE write") as raised:
        handler()
    assert "consent_mw.django.ConsentMiddleware" in str(raised.value)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (ConsentMiddleware, "a class of consent_mw.django.middleware"),
        (WsgiMiddleware, "a class of consent_mw.wsgi"),
        (ConsentConfig("consent_mw.django", consent_mw.django), "an object of consent_mw.django.apps"),
        ("consent_mw.wsgi.ConsentMiddleware", '"consent_mw.wsgi.ConsentMiddleware" is not the name'),
        ("consent_mw.django", '"consent_mw.django" is not the name'),
        ("consent_mw", '"consent_mw" is not the name'),
    ],
    ids=["class", "class of another edge", "object", "another edge", "package", "root"],
)
def test_what_is_no_name_of_the_middleware_is_refused_at_the_start(entry: object, told: str) -> None:
    """MIDDLEWARE lists names; Django itself would report a missing attribute, or an error of importing."""
    with override_settings(MIDDLEWARE=[entry]), pytest.raises(ConfigError) as raised:
        ConsentConfig("consent_mw.django", consent_mw.django).ready()
    assert told in str(raised.value)
    assert 'Write "consent_mw.django.ConsentMiddleware"' in str(raised.value)


def test_the_package_s_own_name_among_the_apps_is_refused(configured: Consent) -> None:
    """It has neither template tags nor checks, so the error names the app that has them."""
    with (
        override_settings(INSTALLED_APPS=["consent_mw"]),
        pytest.raises(ConfigError, match=r'Write "consent_mw\.django" instead'),
    ):
        WSGIHandler()


def test_background_jobs_have_the_project_s_settings(ask: Ask) -> None:
    """What a view froze thaws in another process of the project."""
    accept(ask)
    text = body(ask("/frozen")).decode()
    assert (jobs().thaw(text).allows("analytics"), jobs().thaw("nonsense").allows("analytics")) == (True, False)


def test_a_key_file_is_told_in_production(configured: Consent) -> None:
    """Before a second machine serves the site its keys have to be shared."""
    assert [m.id for m in run_checks() if str(m.id).startswith("consent_mw")] == ["consent_mw.W002"]


def test_counts_are_written_before_an_asgi_server_hears_of_the_end(configured: Consent) -> None:
    """Django knows no lifespan; with our get_asgi_application() a server that has one is answered, after the counts."""
    browser = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    Client(headers={"sec-fetch-dest": "document", "user-agent": browser}).get("/", secure=True)
    events = iter(["lifespan.startup", "lifespan.shutdown"])
    said: list[tuple[str, int]] = []

    async def receive() -> dict[str, str]:
        return {"type": next(events)}

    async def send(message: Mapping[str, str]) -> None:
        counts = engine().records.counts(1 << 30)
        shown = sum(number for count, number in counts.items() if (count.table, count.outcome) == (TOTAL, SHOWN))
        said.append((message["type"], shown))

    run(get_asgi_application()({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send))
    assert said == [("lifespan.startup.complete", 0), ("lifespan.shutdown.complete", 1)]


def test_our_asgi_application_is_djangos(configured: Consent) -> None:
    """Pages come from it as from Django's own."""
    answer = ask_asgi(get_asgi_application())("/", "GET", {"sec-fetch-dest": "document"}, b"")
    assert (answer.status, b"data-cmw-held=google-analytics" in answer.body) == (200, True)
