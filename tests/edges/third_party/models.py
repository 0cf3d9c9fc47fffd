"""The one model of a Django project."""

from __future__ import annotations

from django.db import models


class Print(models.Model):  # type: ignore[misc]
    """A print on the shelf."""

    name = models.CharField(max_length=80)
    price = models.IntegerField(default=0)

    class Meta:
        app_label = "shelf"

    def __str__(self) -> str:
        return str(self.name)
