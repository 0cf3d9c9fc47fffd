"""The Django app: put ``"consent_mw.django"`` into ``INSTALLED_APPS`` for template tags, checks and the command."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks


class ConsentConfig(AppConfig):
    """consent_mw in a Django project."""

    name = "consent_mw.django"
    label = "consent_mw"
    verbose_name = "Consent"

    def ready(self) -> None:
        """Register the checks."""
        from consent_mw.django.checks import check

        checks.register(check, checks.Tags.security)
