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
        """
        Register the checks.

        Raises:
            ConfigError: ``MIDDLEWARE`` has an object or a class of ours instead of its name.
        """
        from consent_mw.django.checks import check
        from consent_mw.django.setup import check_names

        check_names()

        checks.register(check, checks.Tags.security)
