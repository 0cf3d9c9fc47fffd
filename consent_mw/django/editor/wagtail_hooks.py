"""
The editor's entry in Wagtail's admin, under *Settings*, for those who may look at the configuration.

Wagtail imports this module if its project has both apps. The entry leads to the pages in Django's admin, which has to
be among the project's addresses, as in the template of Wagtail's own projects (``/django-admin/``). Without it, or for
users who may not enter it, there is no entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

from django.contrib.auth.models import Permission
from django.urls import NoReverseMatch
from django.urls import reverse
from wagtail import hooks
from wagtail.admin.menu import MenuItem

from consent_mw.django.editor.models import Configuration

if TYPE_CHECKING:
    from django.http import HttpRequest

_APP = Configuration._meta.app_label
#: Behind Wagtail's own settings.
_ORDER = 9000


class EditorMenuItem(MenuItem):
    """The entry, shown to those whom the editor would answer."""

    def is_shown(self, request: HttpRequest) -> bool:
        """Return whether the editor has an address, and this user may look."""
        user = request.user
        allowed = any(user.has_perm(f"{_APP}.{action}_configuration") for action in ("view", "change"))
        return bool(self.url) and user.is_staff and allowed


@hooks.register("register_settings_menu_item")
def editor_menu_item() -> MenuItem:
    """Return the entry for the menu *Settings*."""
    try:
        address = reverse(f"admin:{_APP}_configuration_changelist")
    except NoReverseMatch:
        address = ""
    name = Configuration._meta.verbose_name_plural
    return EditorMenuItem(name, address, name="consent-notice", icon_name="clipboard-list", order=_ORDER)


@hooks.register("register_permissions")
def editor_permissions() -> Any:
    """Return the editor's permissions, for the forms of groups."""
    return Permission.objects.filter(content_type__app_label=_APP)
