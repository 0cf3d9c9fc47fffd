"""The addresses of a Django project, and its middleware that stands inside consent_mw's."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import path

#: What the project itself answered last.
GIVEN: list[bytes] = []


def remember(get_response: Any) -> Any:
    """Keep what the project answers."""

    def remembering(request: Any) -> Any:
        response = get_response(request)
        GIVEN.append(response.content)
        return response

    return remembering


urlpatterns = [path("admin/", admin.site.urls)]
