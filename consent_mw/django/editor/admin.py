"""The editor's entry in Django's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from consent_mw.django.editor.models import Configuration
from consent_mw.django.editor.views import EditorViews

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.urls import URLPattern


@admin.register(Configuration)
class ConfigurationAdmin(admin.ModelAdmin):
    """Shows the pages of the editor in place of a list of objects."""

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of the editor."""
        return EditorViews(self).urls()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nothing can be added: there is one file."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nothing can be deleted."""
        return False
