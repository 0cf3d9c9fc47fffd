"""FastAPI's documentation pages, unchanged, inside the middleware."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi import Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from consent_mw import ConsentASGIMiddleware
from tests.edges.contract import ask_asgi
from tests.edges.third_party.visitors import TRACKER
from tests.edges.third_party.visitors import Visitor
from tests.edges.third_party.visitors import asking
from tests.edges.third_party.visitors import changed
from tests.edges.third_party.visitors import expect_held_until_granted
from tests.edges.third_party.visitors import quiet
from tests.edges.third_party.visitors import remember_asgi


def site(config: dict[str, object]) -> Visitor:
    """Return a visitor of an API with a form, and with a page of its own that adds a tracker to FastAPI's."""
    app = FastAPI(title="Prints")

    async def log_in(request: Request) -> dict[str, str]:
        form = await request.form()
        return {"hello": str(form["username"])}

    async def own_docs() -> HTMLResponse:
        page = bytes(get_swagger_ui_html(openapi_url="/openapi.json", title="Prints").body)
        return HTMLResponse(page.replace(b"</head>", f'<script async src="{TRACKER}"></script></head>'.encode()))

    app.add_api_route("/login", log_in, methods=["POST"])
    app.add_api_route("/own-docs", own_docs, response_class=HTMLResponse)
    given: list[bytes] = []
    return Visitor(ask_asgi(ConsentASGIMiddleware(remember_asgi(app, given), config)), given)


@pytest.mark.parametrize("settings", [quiet, asking])
def test_nothing_changes_where_nothing_is_held(tmp_path: Path, settings: Callable[..., Any]) -> None:
    """Swagger UI and ReDoc from a third party that is no tracker stay, byte for byte, once nobody has to be asked."""
    visitor = site(settings(tmp_path))
    if settings is asking:
        visitor.choose("accept-all")
    assert changed(visitor, ("/docs", "/redoc", "/docs/oauth2-redirect", "/openapi.json")) == []


def test_what_is_no_tracker_works_beside_one(tmp_path: Path) -> None:
    """Where a tracker is held, Swagger UI's own scripts, styles and icon are as FastAPI wrote them."""
    visitor = site(asking(tmp_path))
    page = visitor.page("/own-docs")
    given = b"".join(visitor.given).decode()
    swagger = re.findall(r"<(?:script|link)[^>]*(?:jsdelivr|tiangolo)[^>]*>", given)
    assert [tag for tag in swagger if tag not in page] == []
    assert len(swagger) == 3


def test_a_tracker_waits(tmp_path: Path) -> None:
    """A script that the site adds to FastAPI's page is held until the visitor agrees."""
    expect_held_until_granted(site(asking(tmp_path)), "/own-docs")


def test_its_forms_work(tmp_path: Path) -> None:
    """A form reaches the API, and its JSON comes back untouched."""
    answer = site(asking(tmp_path)).post("/login", {"username": "Ada"})
    assert (answer.status, answer.body) == (200, b'{"hello":"Ada"}')
