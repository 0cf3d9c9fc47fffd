"""The pages of the model in Django's admin, which finds this module by its name."""

from __future__ import annotations

from django.contrib import admin

from tests.edges.third_party.models import Print


class PrintAdmin(admin.ModelAdmin):  # type: ignore[misc]
    """The print's pages."""

    list_display = ("name", "price")
    search_fields = ("name",)


admin.site.register(Print, PrintAdmin)
