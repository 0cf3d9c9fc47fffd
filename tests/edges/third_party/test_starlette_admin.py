"""Starlette-Admin, unchanged, inside the middleware."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consent_mw import ConsentASGIMiddleware
from tests.edges.contract import ask_asgi
from tests.edges.third_party.visitors import TRACKER
from tests.edges.third_party.visitors import Visitor
from tests.edges.third_party.visitors import asking
from tests.edges.third_party.visitors import changed
from tests.edges.third_party.visitors import expect_held_until_granted
from tests.edges.third_party.visitors import quiet
from tests.edges.third_party.visitors import remember_asgi


def site(folder: Path, config: dict[str, object], *, tracked: bool = False) -> Visitor:
    """Return a visitor of an admin with a login; its owner's template adds a tracker to each page."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.sessions import SessionMiddleware
    from starlette.requests import Request
    from starlette_admin import BaseAdmin
    from starlette_admin.auth import AdminUser
    from starlette_admin.auth import AuthProvider
    from starlette_admin.exceptions import LoginFailed

    class Login(AuthProvider):
        async def login(self, username: str, password: str, remember_me: bool, request: Request) -> None:
            if password != "right":
                raise LoginFailed("no")
            request.session["user"] = username

        async def authenticate(self, request: Request) -> Any:
            user = request.session.get("user")
            return AdminUser(username=user) if user else None

        async def logout(self, request: Request) -> None:
            request.session.clear()

    templates = folder / "templates"
    templates.mkdir()
    if tracked:
        own = '{% extends "@starlette-admin/index.html" %}{% block head %}{{ super() }}'
        snippet = f'<script async src="{TRACKER}"></script>'
        (templates / "index.html").write_text(own + snippet + "{% endblock %}", "utf-8")
    admin = BaseAdmin(
        title="Shop",
        templates_dir=str(templates),
        auth_provider=Login(),
        secret_key="s" * 40,
        middlewares=[Middleware(SessionMiddleware, secret_key="s" * 40)],
    )
    app = Starlette()
    admin.mount_to(app)
    given: list[bytes] = []
    return Visitor(ask_asgi(ConsentASGIMiddleware(remember_asgi(app, given), config)), given)


def log_in(visitor: Visitor, password: str) -> int:
    """Send the form of the login with its token, and return the status of the answer."""
    (token,) = re.findall(r'name="csrftoken" value="([^"]+)"', visitor.page("/admin/login"))[:1]
    return visitor.post("/admin/login", {"csrftoken": token, "username": "ada", "password": password}).status


@pytest.mark.parametrize("settings", [quiet, asking])
def test_nothing_changes_where_nothing_is_held(tmp_path: Path, settings: Callable[..., Any]) -> None:
    """Its pages and files are byte for byte what Starlette-Admin gave, once nobody has to be asked."""
    visitor = site(tmp_path, settings(tmp_path))
    if settings is asking:
        visitor.choose("accept-all")
    assert changed(visitor, ("/admin/login",)) == []
    assert log_in(visitor, "right") == 303
    files = re.findall(r'"https://shop\.example(/admin/[^"]+\.(?:js|css))\?', visitor.page("/admin/"))
    assert len(files) > 2
    assert changed(visitor, ("/admin/", *files)) == []


def test_a_tracker_of_its_template_waits(tmp_path: Path) -> None:
    """A script that the owner's template adds to the admin is held until the visitor agrees."""
    visitor = site(tmp_path, asking(tmp_path), tracked=True)
    log_in(visitor, "right")
    expect_held_until_granted(visitor, "/admin/")


def test_its_login_works(tmp_path: Path) -> None:
    """A wrong password and a missing token are refused, the right ones let in, and logging out ends it."""
    visitor = site(tmp_path, asking(tmp_path), tracked=True)
    assert visitor.send("/admin/").status == 303
    assert log_in(visitor, "wrong") == 400
    assert visitor.post("/admin/login", {"username": "ada", "password": "right"}).status == 403
    assert log_in(visitor, "right") == 303
    assert "ada" in visitor.page("/admin/")
    assert visitor.post("/admin/logout", {"csrftoken": visitor.cookies["starlette_admin_csrftoken"]}).status == 303
    assert visitor.send("/admin/").status == 303
