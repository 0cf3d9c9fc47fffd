"""
The page that confirms a change of the file: which settings change, and what that means for visitors.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core import signing

from consent_mw.audit.installation import about_settings
from consent_mw.config.config_file import ConfigText
from consent_mw.config.editable import change_rows
from consent_mw.config.toml_edit import Edit
from consent_mw.config.toml_lines import Path
from consent_mw.django.editor.sections import text_name
from consent_mw.django.editor.words import counted
from consent_mw.django.editor.words import in_language as _
from consent_mw.notice.wording import language_name
from consent_mw.notice.wording import missing_texts

__all__ = ["ChangeRow", "WordPiece", "cautions", "changes_in", "opened", "sealed"]

_WORD = re.compile(r"\s+|\S+")
_SALT = "consent_mw.django.editor"
#: Seconds in which a reviewed change has to be confirmed.
_VALID = 3600


@dataclass(frozen=True)
class WordPiece:
    """A part of a value: ``same`` in both, or ``gone`` or ``new``."""

    kind: str
    text: str


@dataclass(frozen=True)
class ChangeRow:
    """One setting that changes."""

    name: str
    before: list[WordPiece]
    after: list[WordPiece]
    #: What to say in place of a value that is not there.
    absent: str


def changes_in(before: ConfigText, edits: Iterable[Edit]) -> list[ChangeRow]:
    """Return a row for each setting that the edits change, with what is new in its value marked."""
    rows = []
    for path, old, new in change_rows(before.tables, edits):
        words = [_words(old), _words(new)]
        absent = _("not declared") if path[0] == "services" and len(path) == 2 else _("default")
        rows.append(ChangeRow(_name(path), *_compared(*words), absent))
    return rows


def _name(path: Path) -> str:
    """Return the name of a setting for its owner."""
    first, *rest = path
    if first == "texts" and len(rest) > 1:
        key = ".".join(map(str, rest[1:]))
        return f"{text_name(key)}, {language_name(str(rest[0]))}"
    if first == "services" and rest:
        setting = ".".join(map(str, rest[1:]))
        return " ".join([_("Service"), str(rest[0]), *([f"· {setting}"] if setting else [])])
    if first == "links" and rest:
        return " · ".join([_("Link %(number)s") % {"number": int(rest[0]) + 1}, *map(str, rest[1:])])
    return ".".join(map(str, path))


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("on") if value else _("off")
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_words(inner)}" for key, inner in value.items())
    return str(value)


def _compared(old: str, new: str) -> tuple[list[WordPiece], list[WordPiece]]:
    """Return both texts in pieces, word by word; what is in one alone is marked."""
    words: tuple[list[str], list[str]] = (re.findall(_WORD, old), re.findall(_WORD, new))
    before: list[WordPiece] = []
    after: list[WordPiece] = []
    for kind, i, j, k, m in difflib.SequenceMatcher(None, words[0], words[1], autojunk=False).get_opcodes():
        for made, tokens, mark in ((before, words[0][i:j], "gone"), (after, words[1][k:m], "new")):
            if tokens:
                made.append(WordPiece("same" if kind == "equal" else mark, "".join(tokens)))
    return before, after


def cautions(before: ConfigText, after: ConfigText) -> Iterator[tuple[str, str, str]]:
    """Yield what follows: its severity (``warning`` or ``note``), the words, and their language if it is English."""
    if before.problems is None:
        old, new = before.site, after.site
        if old.revision != new.revision or old.learning != new.learning:
            yield "warning", _("Every visitor is asked again, because this changes what they agreed to."), ""
        else:
            yield "note", _("Nobody is asked again: what visitors agreed to stays the same."), ""
        if new.learning and not old.learning:
            words = _("No service is declared any more, so visitors are asked about those that turn up in pages.")
            yield "warning", words, ""
        known = set(about_settings(old))
        yield from ((one.severity, f"{one.what} {one.remedy}", "en") for one in about_settings(new) if one not in known)
        lacking = missing_texts(old)
        for tag, keys in missing_texts(new).items():
            if fresh := set(keys) - set(lacking.get(tag, ())):
                words = counted(
                    "%(language)s lacks a text; another language is shown there.",
                    "%(language)s lacks %(number)s texts; another language is shown there.",
                    len(fresh),
                )
                yield "warning", words % {"language": language_name(tag), "number": len(fresh)}, ""


def sealed(edits: Iterable[Edit], base: ConfigText, user: object) -> str:
    """Return the edits as a signed text, to be confirmed by the same user within the hour."""
    kept = {"edits": [[list(one.path), one.value, one.kind] for one in edits], "base": base.digest, "user": str(user)}
    return str(signing.dumps(kept, salt=_SALT, compress=True))


def opened(text: str, user: object) -> tuple[list[Edit], str]:
    """
    Return the edits of a signed text, and the digest of the text that they were made for.

    Raises:
        signing.BadSignature: if it was not signed here, for this user, within the last hour.
    """
    kept = signing.loads(text, salt=_SALT, max_age=_VALID)
    if kept["user"] != str(user):
        raise signing.BadSignature("another user's change")
    return [Edit(tuple(path), value, kind) for path, value, kind in kept["edits"]], kept["base"]
