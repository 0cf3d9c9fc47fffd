"""Django's admin, unchanged, with Django's edge."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import AppConfig
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.test import override_settings

import tests.edges.django_site  # noqa: F401 -- configures Django
from tests.edges.contract import ask_wsgi
from tests.edges.third_party.visitors import TRACKER
from tests.edges.third_party.visitors import Visitor
from tests.edges.third_party.visitors import asking
from tests.edges.third_party.visitors import changed
from tests.edges.third_party.visitors import expect_held_until_granted
from tests.edges.third_party.visitors import quiet

APPS = ["auth", "contenttypes", "sessions", "messages", "staticfiles", "admin"]
CONTEXT = ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"]
PAGES = (
    "/admin/",
    "/admin/shelf/print/",
    "/admin/shelf/print/add/",
    "/admin/auth/user/?q=a",
    "/admin/password_change/",
)
Open = Callable[..., Visitor]


class Shelf(AppConfig):  # type: ignore[misc]
    """The shop's own app."""

    name = "tests.edges.third_party"
    label = "shelf"
    default_auto_field = "django.db.models.AutoField"
    path = str(Path(__file__).parent)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Open]:
    """Return what opens a project with Django's admin, one model, one member of staff and an owner's template."""
    from consent_mw.django.setup import engine

    templates = tmp_path / "templates" / "admin"
    templates.mkdir(parents=True)
    settings: dict[str, Any] = {
        "INSTALLED_APPS": [*(f"django.contrib.{name}" for name in APPS), "consent_mw.django", f"{__name__}.Shelf"],
        "MIDDLEWARE": [
            "consent_mw.django.ConsentMiddleware",
            "tests.edges.third_party.project.remember",
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.gzip.GZipMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [str(tmp_path / "templates")],
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [*CONTEXT, "django.contrib.messages.context_processors.messages"],
                },
            }
        ],
        "STATIC_URL": "static/",
        "ROOT_URLCONF": "tests.edges.third_party.project",
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    }

    with override_settings(**settings):
        from django.contrib.auth.models import User

        from tests.edges.third_party import project

        call_command("migrate", run_syncdb=True, verbosity=0)
        User.objects.create_superuser("ada", password="right")  # the database is in memory

        def opened(config: dict[str, object], snippet: str = "") -> Visitor:
            if snippet:
                own = '{% extends "admin/base.html" %}{% block extrahead %}{{ block.super }}'
                (templates / "base_site.html").write_text(f"{own}{snippet}{{% endblock %}}", "utf-8")
            engine.cache_clear()
            with override_settings(CONSENT=config):
                return Visitor(ask_wsgi(WSGIHandler()), project.GIVEN)

        yield opened
        engine.cache_clear()
        call_command("flush", interactive=False, verbosity=0)


def log_in(visitor: Visitor, password: str) -> int:
    """Send the login's form with its token, and return the status of the answer."""
    fields = {"csrfmiddlewaretoken": token(visitor.page("/admin/login/")), "username": "ada", "password": password}
    return visitor.post("/admin/login/?next=/admin/", fields).status


def token(page: str) -> str:
    """Return the token against forged requests of the first form of the page that has one."""
    return str(re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[0])


@pytest.mark.parametrize("settings", [quiet, asking])
def test_nothing_changes_where_nothing_is_held(site: Open, tmp_path: Path, settings: Callable[..., Any]) -> None:
    """Its pages are byte for byte what Django gave, compressed by Django too, once nobody has to be asked."""
    visitor = site(settings(tmp_path))
    if settings is asking:
        visitor.choose("accept-all")
    assert changed(visitor, ("/admin/login/", "/admin/login/?next=/admin/")) == []
    assert log_in(visitor, "right") == 302
    assert changed(visitor, (*PAGES, "/admin/jsi18n/")) == []


def test_a_tracker_of_its_template_waits(site: Open, tmp_path: Path) -> None:
    """A script in base_site.html is held until the visitor agrees, who is not asked in the administration itself."""
    visitor = site(asking(tmp_path), f'<script async src="{TRACKER}"></script>')
    log_in(visitor, "right")
    expect_held_until_granted(visitor, "/admin/shelf/print/", asked=False)


def test_its_login_and_its_forms_work(site: Open, tmp_path: Path) -> None:
    """Logging in, adding, searching, deleting and logging out work, messages are shown, without any consent."""
    visitor = site(asking(tmp_path), f'<script async src="{TRACKER}"></script>')
    assert visitor.send("/admin/").status == 302
    assert (log_in(visitor, "wrong"), log_in(visitor, "right")) == (200, 302)
    fields = {"name": "Summer", "price": "12"}
    assert visitor.post("/admin/shelf/print/add/", fields).status == 403  # without its token
    fields["csrfmiddlewaretoken"] = token(visitor.page("/admin/shelf/print/add/"))
    assert visitor.post("/admin/shelf/print/add/", fields).status == 302
    shown = visitor.page("/admin/shelf/print/?q=summ")
    assert ("was added successfully" in shown, "1 print" in shown) == (True, True)
    (place,) = set(re.findall(r"/admin/shelf/print/(\d+)/change/", shown))
    sure = {"csrfmiddlewaretoken": token(visitor.page(f"/admin/shelf/print/{place}/delete/")), "post": "yes"}
    assert visitor.post(f"/admin/shelf/print/{place}/delete/", sure).status == 302
    end = {"csrfmiddlewaretoken": token(visitor.page("/admin/shelf/print/"))}
    assert visitor.post("/admin/logout/", end).status == 200
    assert visitor.send("/admin/").status == 302
