"""``mode = "report"``: responses are those of the bare site, to the byte, and what would be held is counted."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from consent_mw import config
from consent_mw.cli import FOUND
from consent_mw.cli import Owner
from consent_mw.cli import main
from consent_mw.engine.shadow import page_pattern
from consent_mw.errors import ConfigError
from consent_mw.records.sqlite.shadow import ShadowFile

GTAG = b"<script src='https://www.googletagmanager.com/gtag/js?id=G-AAAAA11111'></script>"
PAGE = b"<!doctype html>\n<html><head><title>x</title>" + GTAG + b"</head><body>\n<h1>x</h1></body></html>"
HTML = ("Content-Type", "text/html; charset=utf-8")
COOKIE = ("Set-Cookie", "_fbp=1; Max-Age=9")
SENT = [
    ("200 OK", [HTML, ("Content-Length", str(len(PAGE)))], [PAGE]),
    ("200 OK", [HTML, COOKIE, ("ETag", '"1"'), ("Link", "<https://connect.facebook.net>; rel=preconnect")],
     [PAGE[:20], b"", PAGE[20:60], PAGE[60:]]),
    ("200 OK", [HTML, ("Content-Encoding", "gzip")], [gzip.compress(PAGE, mtime=0)]),
    ("200 OK", [HTML, ("Content-Encoding", "zz")], [PAGE]),
    ("206 Partial Content", [HTML, ("Content-Range", "bytes 0-3/9")], [PAGE[:4]]),
    ("404 Not Found", [HTML], [PAGE]),
    ("304 Not Modified", [("ETag", '"1"')], []),
    ("302 Found", [("Location", "/x"), COOKIE], []),
    ("200 OK", [("Content-Type", "application/json"), COOKIE], [b"{}"]),
    ("200 OK", [("Content-Type", "text/html; charset=utf-7")], [PAGE]),
]  # fmt: skip
Sent = tuple[str, list[tuple[str, str]], list[bytes]]


def settings_in(folder: Path) -> dict[str, Any]:
    """Return the configuration of a site that is watched."""
    site = {
        "name": "Shadow",
        "mode": "report",
        "records": f"sqlite:///{folder}/consent.db",
        "report_file": str(folder / "report.db"),
    }
    return {"site": site, "services": [{"use": "google-analytics"}, {"use": "meta-pixel"}]}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """The configuration of a site that is watched."""
    return settings_in(tmp_path)


def environ_of(path: str, *headers: tuple[str, str]) -> dict[str, Any]:
    """Return the environ of a request."""
    return EnvironBuilder(path, headers=list(headers), base_url="https://localhost").get_environ()


def by_wsgi(app: Callable[..., Iterable[bytes]], path: str = "/") -> Sent:
    """Return status, headers and body of a response, as a WSGI server gets them."""
    environ = environ_of(path, ("Accept", "text/html"))
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], object]:
        started.append((status, headers))
        return lambda data: None

    chunks = app(environ, start)
    body = b"".join(chunks)
    if callable(close := getattr(chunks, "close", None)):
        close()
    return (*started[0], [body])


def wsgi_app(sent: Sent) -> Callable[..., Iterable[bytes]]:
    """Return an application that sends this."""

    def app(environ: dict[str, Any], start: Callable[..., object]) -> Iterator[bytes]:
        start(sent[0], list(sent[1]))
        return iter(sent[2])

    return app


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ConsentMiddleware, list[Sent]]]:
    """A middleware around an application that sends what stands in the list."""
    now: list[Sent] = []
    wrapped = ConsentMiddleware(
        lambda environ, start: wsgi_app(now[-1])(environ, start), settings_in(tmp_path_factory.mktemp("wsgi"))
    )
    yield wrapped, now
    wrapped.close()


@pytest.fixture(scope="module")
def watched_asgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ConsentASGIMiddleware, list[Sent]]]:
    """The same for ASGI."""
    now: list[Sent] = []

    async def app(scope: dict[str, Any], receive: object, send: Callable[..., Any]) -> None:
        await asgi_app(now[-1])(scope, receive, send)

    wrapped = ConsentASGIMiddleware(app, settings_in(tmp_path_factory.mktemp("asgi")))
    yield wrapped, now
    wrapped.close()


@pytest.mark.parametrize("number", range(len(SENT)))
def test_a_response_is_that_of_the_bare_site(watched: tuple[ConsentMiddleware, list[Sent]], number: int) -> None:
    """WSGI: status, headers in their order, and bytes are those of the application."""
    watched[1][:] = [SENT[number]]
    assert by_wsgi(watched[0]) == by_wsgi(wsgi_app(SENT[number]))


def asgi_app(sent: Sent) -> Callable[..., Any]:
    """Return an application that sends this."""

    async def app(scope: dict[str, Any], receive: object, send: Callable[..., Any]) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in sent[1]]
        await send({"type": "http.response.start", "status": int(sent[0][:3]), "headers": headers})
        for chunk in sent[2]:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


async def by_asgi(app: Callable[..., Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body of a response, as an ASGI server gets them."""
    messages: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "https",
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"accept", b"text/html")],
        "client": ("127.0.0.1", 1),
    }
    await app(scope, lambda: None, send)
    return messages[0]["status"], messages[0]["headers"], b"".join(one["body"] for one in messages[1:])


@pytest.mark.parametrize("number", range(len(SENT)))
def test_a_response_of_asgi_is_that_of_the_bare_site(
    watched_asgi: tuple[ConsentASGIMiddleware, list[Sent]], number: int
) -> None:
    """ASGI: status, headers in their order, and bytes are those of the application."""
    watched_asgi[1][:] = [SENT[number]]
    assert asyncio.run(by_asgi(watched_asgi[0])) == asyncio.run(by_asgi(asgi_app(SENT[number])))


@given(st.lists(st.binary(max_size=60) | st.sampled_from([PAGE, GTAG, b"<", b"<!--", b"<svg>", b"\x00"]), max_size=5))
def test_any_bytes_go_out_as_they_are(watched: tuple[ConsentMiddleware, list[Sent]], chunks: list[bytes]) -> None:
    """Whatever an application sends as a page, in whatever pieces, arrives."""
    wrapped, given_now = watched
    given_now[:] = [("200 OK", [HTML], chunks)]
    assert by_wsgi(wrapped) == ("200 OK", [HTML], [b"".join(chunks)])


def test_what_would_be_done_is_counted_page_by_page(
    settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Holds, dropped fields and refusals stand under their page, with services and places, over restarts."""
    for sent, path in ((SENT[1], "/a"), (SENT[1], "/orders/17"), (SENT[1], "/orders/18"), (SENT[3], "/bad")):
        wrapped = ConsentMiddleware(wsgi_app(sent), settings)
        by_wsgi(wrapped, path)
        wrapped.close()
    owner = Owner(site=config.load(settings))
    assert main(["shadow", "--json"], owner=owner) == FOUND
    found = json.loads(capsys.readouterr().out)
    assert [(page["page"], page["views"]) for page in found["pages"]] == [("/orders/*", 2), ("/a", 1), ("/bad", 1)]
    changes = {(one["verb"], *one["services"], one["what"], one["line"]) for one in found["pages"][0]["changes"]}
    assert changes == {
        ("drop", "meta-pixel", "set-cookie: _fbp", 0),
        ("drop", "meta-pixel", "link", 0),
        ("hold", "google-analytics", "<script> www.googletagmanager.com/gtag/js", 2),
    }
    assert [one["verb"] for one in found["pages"][2]["changes"]] == ["refuse"]
    assert main(["shadow"], owner=owner) == FOUND
    text = capsys.readouterr().out
    assert "asked about: Google Analytics" in text
    assert "\n! refuse" in text
    assert main(["shadow", "--forget"], owner=owner) == 0


def test_our_own_well_known_path_stays_the_applications(watched: tuple[ConsentMiddleware, list[Sent]]) -> None:
    """What the application answers at /.well-known/gpc.json goes out."""
    watched[1][:] = [("200 OK", [("Content-Type", "application/json")], [b'{"gpc": false}'])]
    assert by_wsgi(watched[0], "/.well-known/gpc.json")[2] == [b'{"gpc": false}']


@pytest.mark.parametrize(("share", "least", "most"), [(0, 0, 0), (50, 10, 50), (100, 60, 60)])
def test_a_share_of_visitors_gets_the_real_thing(settings: dict[str, Any], share: int, least: int, most: int) -> None:
    """About so many of sixty browsers get a notice, and each the same at its next visit."""
    settings["site"]["live_share"] = share
    wrapped = ConsentMiddleware(wsgi_app(SENT[0]), settings)

    def has_notice(number: int) -> bool:
        environ = environ_of("/", ("Accept", "text/html"), ("User-Agent", f"Browser {number}"))
        return b"data-cmw-banner" in b"".join(wrapped(environ, lambda *given: lambda data: None))

    first = [has_notice(number) for number in range(60)]
    assert least <= sum(first) <= most
    assert first[:20] == [has_notice(number) for number in range(20)]
    wrapped.close()


def test_a_share_without_report_mode_is_a_mistake(settings: dict[str, Any]) -> None:
    """The message says what to add."""
    settings["site"].update(mode="on", live_share=5)
    with pytest.raises(ConfigError, match="meaning with mode"):
        config.load(settings)


def test_nothing_that_visitors_write_is_kept_of_a_path() -> None:
    """Numbers, titles and tokens become stars."""
    paths = (
        "/",
        "/orders/17/items",
        "/blog/how-we-met-in-may",
        "/reset/Zx81kQ",
        "/a/b/c/d/e/f/g/h",
        "/user@host.example",
    )
    assert [page_pattern(path) for path in paths] == [
        "/", "/orders/*/items", "/blog/*", "/reset/*", "/a/b/c/d/e/f/…", "/*",
    ]  # fmt: skip


def test_the_file_takes_no_more_than_its_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages beyond the bound are not added; those that are known go on to be counted."""
    monkeypatch.setattr("consent_mw.records.sqlite.shadow.MOST_PAGES", 2)
    file = ShadowFile(str(tmp_path / "report.db"))
    for page in ("/a", "/b", "/c", "/a"):
        file.add({page: 1}, {}, 20_000)
    assert [(one.page, one.views) for one in file.pages()] == [("/a", 2), ("/b", 1)]
    file.close()
