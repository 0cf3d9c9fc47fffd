"""
Compile the translations of the editor in Django's admin: ``python -m tools.editor_messages [--check]``.

The English words are in the code and the templates of :mod:`consent_mw.django.editor`, marked with a context of their
own (:mod:`consent_mw.django.editor.words` says why). A translation is a file ``django.po`` in the folder ``locale``
with exactly these messages. The tool says which are missing, left over, or have other placeholders, and writes the
``django.mo`` that Django reads. With ``--check`` nothing is written, and the exit status is 1 if a file is out of date.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

EDITOR = Path(__file__).resolve().parents[1] / "consent_mw" / "django" / "editor"
LOCALE = EDITOR / "locale"

#: The names under which the code imports the functions that translate.
_MARKS = ("_", "lazy", "counted")
_CONTEXT = "consent"
#: In place of the time of the compilation.
_NO_DATE = datetime(2026, 1, 1, tzinfo=UTC)
_LINE = re.compile(r'{% translate "([^"]+)" context "consent" %}')
_BLOCK = re.compile(r"{% blocktranslate[^%]*%}(.*?){% endblocktranslate %}", re.DOTALL)
_VARIABLE = re.compile(r"{{ (\w+) }}")
_PLACEHOLDER = re.compile(r"%\(\w+\)s")


def messages(folder: Path) -> set[str | tuple[str, str]]:
    """Return the messages in the code and templates of a folder; those with a plural as a pair."""
    found: set[str | tuple[str, str]] = set()
    for path in folder.rglob("*.py"):
        found.update(_in_code(path.read_text(encoding="utf-8")))
    for path in folder.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        found.update(_LINE.findall(text))
        found.update(_VARIABLE.sub(r"%(\1)s", one) for one in _BLOCK.findall(text))
    return found


def _in_code(text: str) -> Iterator[str | tuple[str, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MARKS:
            words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if len(words) == 2:
                yield words[0], words[1]
            else:
                yield from words


def faults(catalog: Catalog, wanted: set[str | tuple[str, str]]) -> Iterator[str]:
    """Yield what is wrong with a translation, in sentences."""
    told = {message.id: message for message in catalog if message.id}
    for missing in sorted(wanted - told.keys(), key=str):
        yield f"is missing: {missing!r}"
    for words, message in told.items():
        if words not in wanted or message.context != _CONTEXT:
            yield f"is not in the editor any more: {words!r}"
            continue
        english = [words] if isinstance(words, str) else list(words)
        given = [message.string] if isinstance(message.string, str) else list(message.string or ())
        if not all(given) or message.fuzzy:
            yield f"has no translation: {words!r}"
        if any(set(_PLACEHOLDER.findall(text)) - set(_PLACEHOLDER.findall(" ".join(english))) for text in given):
            yield f"has a placeholder of its own: {words!r}"
        if len(given) == 1 and set(_PLACEHOLDER.findall(given[0])) != set(_PLACEHOLDER.findall(english[0])):
            yield f"lacks a placeholder: {words!r}"


def compiled(catalog: Catalog) -> bytes:
    """Return the file that Django reads; the same translation gives the same bytes."""
    catalog.creation_date = catalog.revision_date = _NO_DATE
    made = io.BytesIO()
    write_mo(made, catalog)
    return made.getvalue()


def main() -> int:
    """Compile all translations, or compare them; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.editor_messages", description="Compile translations.")
    parser.add_argument("--check", action="store_true", help="only say what is out of date")
    check = parser.parse_args().check
    wanted = messages(EDITOR)
    wrong = False
    for source in sorted(LOCALE.glob("*/LC_MESSAGES/django.po")):
        with source.open("rb") as file:
            catalog = read_po(file, locale=source.parts[-3])
        for fault in faults(catalog, wanted):
            wrong = True
            print(f"{source.relative_to(EDITOR)}: {fault}", file=sys.stderr)
        target = source.with_suffix(".mo")
        made = compiled(catalog)
        if check and not (target.is_file() and target.read_bytes() == made):
            wrong = True
            print(f"{target.relative_to(EDITOR)} is out of date: run python -m tools.editor_messages", file=sys.stderr)
        elif not check:
            target.write_bytes(made)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
