"""The entry of the editor in the admin, with its permissions; nothing is stored in the database."""

from __future__ import annotations

from django.db import models

from consent_mw.django.editor.words import later as lazy


class Configuration(models.Model):
    """The configuration file of the site."""

    class Meta:
        """It has no table, and nothing can be added or deleted."""

        app_label = "consent_mw_editor"
        managed = False
        default_permissions = ("view", "change")
        verbose_name = lazy("consent notice")
        verbose_name_plural = lazy("Consent notice")
