"""The texts of the owner's pages: a module for each language."""

from __future__ import annotations

from collections.abc import Mapping

from consent_mw.stats.texts import de
from consent_mw.stats.texts import en
from consent_mw.stats.texts import fr

#: By language tag and key; ``{name}`` stands for a value. Missing keys fall back to English (see ``words``).
TEXTS: Mapping[str, Mapping[str, str]] = {"en": en.TEXTS, "de": de.TEXTS, "fr": fr.TEXTS}
