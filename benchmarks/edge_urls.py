"""The URLs of the Django site that is measured."""

from __future__ import annotations

from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.urls import path

from benchmarks.edge_apps import django_answer


def answer(request: Any, name: str) -> Any:
    """Answer by the means of the server's interface."""
    return django_answer(request.path, isinstance(request, ASGIRequest))


urlpatterns = [path("<name>", answer)]
