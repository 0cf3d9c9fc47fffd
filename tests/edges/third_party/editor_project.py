"""The addresses of a Django project with an admin site of its own, which has the editor alone."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from consent_mw.django.editor.admin import ConfigurationAdmin
from consent_mw.django.editor.models import Configuration

# The default site belongs to the tests of other projects in this process.
admin.site.unregister(Configuration)
site = admin.AdminSite()
site.register(Configuration, ConfigurationAdmin)

urlpatterns = [path("admin/", site.urls)]
