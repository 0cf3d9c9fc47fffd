"""A small Django project in one file, for the tests of the Django edge."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from collections.abc import Iterator
from pathlib import Path

import django
from django.conf import settings
from django.http import FileResponse
from django.http import HttpRequest
from django.http import HttpResponse
from django.http import JsonResponse
from django.http import StreamingHttpResponse
from django.template import engines
from django.urls import path

from consent_mw.django import jobs

HELD = '<script async src="https://www.google-analytics.com/analytics.js"></script>'
#: Long enough for Django to compress it.
PAGE = f"<!doctype html><title>t</title><body><h1>x</h1><p>{'text ' * 40}{HELD}</body>"
TEMPLATE = (
    '{% load consent %}{% consent "analytics" %}yes{% else %}no{% endconsent %}{% consent name %}yes{% endconsent %}'
)

if not settings.configured:
    settings.configure(
        SECRET_KEY="not secret, " * 4,
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "consent_mw.django",
        ],
        MIDDLEWARE=["consent_mw.django.ConsentMiddleware", "django.middleware.gzip.GZipMiddleware"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
            }
        ],
        USE_TZ=True,
    )
    django.setup()


def page(request: HttpRequest) -> HttpResponse:
    """Answer with a page that sets its own cookie and one of a tracker."""
    response = HttpResponse(PAGE)
    response.set_cookie("own", "1", max_age=9)
    response.set_cookie("_ga", "1")
    response["X-Own"] = "1"
    return response


def allowed(request: HttpRequest) -> JsonResponse:
    """Answer with the purposes that the visitor allows."""
    return JsonResponse({name: request.consent.allows(name) for name in ("necessary", "analytics")})


def frozen(request: HttpRequest) -> HttpResponse:
    """Answer with the decision in the form for a job."""
    return HttpResponse(jobs().freeze(request.consent), content_type="text/plain")


def cookies(request: HttpRequest) -> HttpResponse:
    """Answer with the cookies that arrived."""
    return HttpResponse("; ".join(f"{name}={value}" for name, value in request.COOKIES.items()), "text/plain")


async def allowed_async(request: HttpRequest) -> JsonResponse:
    """Answer with the purposes that the visitor allows, from a coroutine."""
    return allowed(request)


def streamed(request: HttpRequest) -> StreamingHttpResponse:
    """Stream a page in pieces that split its tags."""
    return StreamingHttpResponse(PAGE[at : at + 9].encode() for at in range(0, len(PAGE), 9))


async def streamed_async(request: HttpRequest) -> StreamingHttpResponse:
    """Stream the same from an asynchronous generator."""

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(PAGE), 9):
            yield PAGE[at : at + 9].encode()

    return StreamingHttpResponse(pieces())


def file(request: HttpRequest) -> FileResponse:
    """Send a page as a file."""
    return FileResponse(open(Path(request.GET["name"]), "rb"), content_type="text/html")  # noqa: SIM115 -- Django closes it


def image(request: HttpRequest) -> HttpResponse:
    """Answer with something that is not a page."""
    return HttpResponse(b"png", content_type="image/png")


def events(request: HttpRequest) -> StreamingHttpResponse:
    """Stream events."""

    def pieces() -> Iterator[bytes]:
        yield b"data: 1\n\n"

    return StreamingHttpResponse(pieces(), content_type="text/event-stream")


def unreadable(request: HttpRequest) -> HttpResponse:
    """Answer with a page in an unknown content coding."""
    return HttpResponse(gzip.compress(PAGE.encode()), headers={"Content-Encoding": "x-own"})


def cut(request: HttpRequest) -> StreamingHttpResponse:
    """Stream a page that does not match its content coding."""
    return StreamingHttpResponse(iter([b"<html>"]), headers={"Content-Encoding": "gzip"})


def templated(request: HttpRequest) -> HttpResponse:
    """Answer with the output of the template tags for the visitor's choice."""
    return HttpResponse(engines["django"].from_string(TEMPLATE).render({"name": "necessary"}, request))


def placed(request: HttpRequest) -> HttpResponse:
    """Answer with a page that marks the place of the banner."""
    template = f"{{% load consent %}}<body>{HELD}<main>{{% consent_banner %}}</main>"
    return HttpResponse(engines["django"].from_string(template).render({}, request))


urlpatterns = [
    path("", page),
    path("allowed", allowed),
    path("frozen", frozen),
    path("cookies", cookies),
    path("allowed-async", allowed_async),
    path("streamed", streamed),
    path("streamed-async", streamed_async),
    path("file", file),
    path("image", image),
    path("events", events),
    path("unreadable", unreadable),
    path("cut", cut),
    path("templated", templated),
    path("placed", placed),
]
