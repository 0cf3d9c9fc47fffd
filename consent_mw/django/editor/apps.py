"""The Django app of the editor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.utils.autoreload import autoreload_started

from consent_mw.django.editor.words import later as lazy
from consent_mw.django.setup import config_file


class EditorConfig(AppConfig):
    """The editor in a Django project."""

    name = "consent_mw.django.editor"
    label = "consent_mw_editor"
    verbose_name = lazy("Consent")

    def ready(self) -> None:
        """Let ``manage.py runserver`` start anew when the file was changed."""
        autoreload_started.connect(_watch, dispatch_uid="consent_mw_editor")


def _watch(sender: Any, **kwargs: object) -> None:
    if file := config_file():
        sender.extra_files.add(Path(file))
