"""The URLs of the measured Django site."""

from __future__ import annotations

from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.urls import path

from benchmarks.edge_apps import django_answer


def answer(request: Any, name: str) -> Any:
    """Answer with the server's interface, WSGI or ASGI."""
    return django_answer(request.path, isinstance(request, ASGIRequest))


urlpatterns = [path("<name>", answer)]
