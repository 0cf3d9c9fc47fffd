"""
A configuration while it is read: what is wrong in it, where, and what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from consent_mw.config import checks
from consent_mw.config.toml_lines import Path
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem


class ConfigReader:
    """Collects the problems of one source and names their places."""

    def __init__(self, file: str = "", lines: Mapping[Path, int] | None = None) -> None:
        self.file = file
        self.lines = lines or {}
        self.found: list[tuple[int, Problem]] = []

    def wrong(self, path: Path, what: str, remedy: str) -> None:
        """Note a mistake at ``path``."""
        line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 0)
        place = dotted(path)
        if self.file:
            place = ": ".join(filter(None, (f"{self.file}:{line}" if line else self.file, place)))
        self.found.append((line, Problem(place, what, remedy)))

    def value(self, path: Path, given: object, check: checks.Check) -> object:
        """Return ``given`` as checked, or None after noting what is wrong with it."""
        wrongs: list[checks.Wrong] = []
        try:
            return check(given)
        except checks.Wrong as one:
            wrongs = [one]
        except checks.Several as several:
            wrongs = several.wrongs
        for wrong in wrongs:
            remedy = " ".join(filter(None, (near(*wrong.near) if wrong.near else "", wrong.remedy)))
            self.wrong((*path, *wrong.at), wrong.what, remedy)
        return None

    def table(self, path: Path, given: object, keys: Mapping[str, checks.Check]) -> dict[str, Any]:
        """Return the valid values of a table, noting unknown keys and wrong values."""
        values: dict[str, Any] = {}
        for key, value in self.pairs(path, given):
            if key not in keys:
                self.wrong((*path, key), "This key is not known.", near(key, keys))
            elif (checked := self.value((*path, key), value, keys[key])) is not None:
                values[key] = checked
        return values

    def pairs(self, path: Path, given: object) -> Iterator[tuple[str, object]]:
        """Yield the keys and values of a table, noting what is none."""
        if not isinstance(given, Mapping):
            header = dotted(path) or "site"
            self.wrong(path, f"This is {checks.kind(given)}, not a table.", f"Write [{header}] and the keys below it.")
            return
        for key, value in given.items():
            if isinstance(key, str):
                yield key, value
            else:
                self.wrong((*path, repr(key)), f"This key is {checks.kind(key)}, not a text.", "Write it as a text.")

    def finish(self) -> None:
        """Raise what was noted, in order of place."""
        if self.found:
            raise ConfigError(problem for _, problem in sorted(self.found, key=lambda pair: pair[0]))


def dotted(path: Path) -> str:
    """Return ``services[2].hosts[0]`` for its path."""
    parts = [f"[{key}]" if isinstance(key, int) else f".{_quoted(key)}" for key in path]
    return "".join(parts).removeprefix(".")


def _quoted(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else repr(key)


def perhaps(word: str, known: Iterable[str]) -> str:
    """Return ``, or did you mean …`` if a known word is near."""
    close = _close(word, known)
    return f" (or did you mean {close!r}?)" if close else ""


def near(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return a remedy that names the known word nearest to ``word``; ``otherwise``, or all of them, if none is."""
    close = _close(word, known)
    return f"Did you mean {close!r}?" if close else otherwise or f"Known here: {', '.join(sorted(known))}."


def _close(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # only on a mistake: it costs start-up time

    plain = re.sub(r"[\s_]+", "-", word.casefold())
    by_plain = {re.sub("_", "-", name): name for name in known}
    close = get_close_matches(plain, by_plain, n=1)
    return by_plain[close[0]] if close else ""
