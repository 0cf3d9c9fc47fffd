"""
The editor's own words in the language of the request, from the folder ``locale``.

All of them have one context. Without it the translations of short words ("Save", "History") would replace those of
Django's admin and of the project's other apps, since Django keeps the messages of all apps in one catalogue.
"""

from __future__ import annotations

from django.utils.translation import get_language
from django.utils.translation import npgettext
from django.utils.translation import pgettext
from django.utils.translation import pgettext_lazy

__all__ = ["LANGUAGES", "counted", "in_language", "language", "later"]

#: The context of all messages, also in the templates.
_CONTEXT = "consent"
#: The languages beside English.
LANGUAGES = ("de", "fr")


def in_language(text: str) -> str:
    """Return the English text in the language of the request."""
    return str(pgettext(_CONTEXT, text))


def later(text: str) -> str:
    """Return the text in the language of whichever request it will be shown to."""
    made: str = pgettext_lazy(_CONTEXT, text)
    return made


def counted(one: str, many: str, number: int) -> str:
    """Return the text for that number of things in the language of the request."""
    return str(npgettext(_CONTEXT, one, many, number))


def language() -> str:
    """Return the language in which the words are shown, a tag of two letters."""
    base = (get_language() or "").partition("-")[0]
    return base if base in LANGUAGES else "en"
