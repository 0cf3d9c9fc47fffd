"""
Every pattern means the same on every supported Python.

Until 3.11.5, and so on the Python of Debian 12, a possessive repeat of a
group forgets to step back when the group fails halfway (CPython issue
106052): ``(?:[^-]++|-(?!-))*+--`` does not match ``a-b--``. An atomic group
around a plain repeat, ``(?>(?:...)*)``, means the same and is right everywhere;
so is a group whose last branch fails at once, ``(?:...|(?!))*+``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from re import _constants  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORPUS_OF_PATTERNS = """
import importlib, json, pkgutil, re, sys
found = set()
compiler = re.compile
def recording(pattern, flags=0):
    text = getattr(pattern, "pattern", pattern)
    name = sys._getframe(1).f_globals.get("__name__", "")
    if name.startswith("consent_mw"):
        plain = text.decode("latin-1") if isinstance(text, bytes) else text
        found.add((name, plain, isinstance(text, bytes), int(flags)))
    return compiler(pattern, flags)
re.compile = recording
import consent_mw, django
from django.conf import settings
# Models and the admin can be imported only in a project.
apps = [f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes")]
settings.configure(INSTALLED_APPS=[*apps, "consent_mw.django.editor"])
django.setup()
for module in pkgutil.walk_packages(consent_mw.__path__, "consent_mw."):
    if not module.name.endswith(".wagtail_hooks"):  # Wagtail imports it, if it is there
        importlib.import_module(module.name)
from benchmarks.ours import ours
from benchmarks.pages import make_page
from consent_mw import catalogue
from consent_mw.html.match import Matcher
ours(Matcher(catalogue.load().values()))(make_page(6000))
print(json.dumps(sorted(found)))
"""


def possessive_groups(pattern: str | bytes, flags: int = 0) -> Iterator[str]:
    """Yield each possessive repeat whose body is more than one set of characters."""
    yield from _in(_parser.parse(pattern, flags))


def _in(parsed: object) -> Iterator[str]:
    if isinstance(parsed, _parser.SubPattern):
        for operator, argument in parsed:
            if operator is _constants.POSSESSIVE_REPEAT and not _steps_back(argument[2]):
                yield str(argument[2])
            yield from _in(argument)
    elif isinstance(parsed, tuple | list):
        for part in parsed:
            yield from _in(part)


def _is_one_character(body: object) -> bool:
    assert isinstance(body, _parser.SubPattern)
    single = {_constants.IN, _constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY}
    return len(body) == 1 and body[0][0] in single


def _steps_back(body: object) -> bool:
    """Whether the body cannot fail halfway: it is one character, or its last branch fails before it has begun."""
    assert isinstance(body, _parser.SubPattern)
    if len(body) == 1 and body[0][0] is _constants.BRANCH:
        # What "(?!)" is parsed to differs between releases.
        return str(body[0][1][1][-1]) == str(_parser.parse("(?!)"))
    return _is_one_character(body)


@pytest.mark.parametrize("pattern", [r"(?:[^-]++|-(?!-))*+--", r"(?:ab?c)++", r"(?:ab)?+c", r"((?>a*)(?:b|cd)*+)"])
def test_a_possessive_group_would_be_seen(pattern: str) -> None:
    """The check notices a possessive repeat of a group, wherever it stands."""
    assert list(possessive_groups(pattern)) != []


@pytest.mark.parametrize(
    "pattern", [r'"[^"]*+"', r"a?+b", r"(?:[^-]++|-(?!-)|(?!))*+--", r"(?>(?:[^-]++|-(?!-))*)--", r"[ \t]++x", r".*+"]
)
def test_possessive_characters_and_atomic_groups_are_fine(pattern: str) -> None:
    """The check lets pass what every Python gets right."""
    assert list(possessive_groups(pattern)) == []


def test_no_pattern_of_the_package_repeats_a_group_possessively() -> None:
    """No pattern that the package compiles falls under the bug of Python 3.11.0 to 3.11.4."""
    done = subprocess.run(
        [sys.executable, "-c", CORPUS_OF_PATTERNS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    patterns = json.loads(done.stdout)
    assert len(patterns) > 20
    bad = [
        f"{module}: {text[:120]}"
        for module, text, is_bytes, flags in patterns
        if any(possessive_groups(text.encode("latin-1") if is_bytes else text, flags))
    ]
    assert bad == []


def test_the_replacement_matches_where_the_possessive_group_would() -> None:
    """The atomic form finds the end of a comment on this Python."""
    found = re.match(r"(?>(?:[^-]++|-(?!-!?>))*)--!?>", "a-b--x-->")
    assert found is not None
    assert found.span() == (0, 9)
