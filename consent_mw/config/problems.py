"""
Collects every problem in a configuration, each with its place and remedy.
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
    """Reads the values of one source, and collects its problems with their places."""

    def __init__(self, file: str = "", lines: Mapping[Path, int] | None = None) -> None:
        self.file = file
        self.lines = lines or {}
        self.found: list[tuple[int, Problem]] = []

    def add_problem(self, path: Path, what: str, remedy: str) -> None:
        """Record a problem at ``path``."""
        line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 0)
        place = dotted(path)
        if self.file:
            place = ": ".join(filter(None, (f"{self.file}:{line}" if line else self.file, place)))
        self.found.append((line, Problem(place, what, remedy)))

    def add_problems(self, path: Path, problems: Iterable[Problem]) -> None:
        """Record problems in another file that ``path`` refers to; they have their own places."""
        line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 0)
        self.found += [(line, problem) for problem in problems]

    def value(self, path: Path, given: object, check: checks.Check) -> object:
        """Return the checked value; if the check fails, record the problems and return None."""
        problems: list[checks.ValueProblem] = []
        try:
            return check(given)
        except checks.ValueProblem as found:
            problems = [found]
        except checks.ValueProblems as several:
            problems = several.problems
        for problem in problems:
            remedy = " ".join(filter(None, (near(*problem.near) if problem.near else "", problem.remedy)))
            self.add_problem((*path, *problem.at), problem.what, remedy)
        return None

    def table(self, path: Path, given: object, keys: Mapping[str, checks.Check]) -> dict[str, Any]:
        """Return the valid values of a table; record a problem for each unknown key and bad value."""
        values: dict[str, Any] = {}
        for key, value in self.pairs(path, given):
            if key not in keys:
                self.add_problem((*path, key), "This key is not known.", near(key, keys))
            elif (checked := self.value((*path, key), value, keys[key])) is not None:
                values[key] = checked
        return values

    def pairs(self, path: Path, given: object) -> Iterator[tuple[str, object]]:
        """Yield the items of a table; record a problem if it isn't one."""
        if not isinstance(given, Mapping):
            header = dotted(path) or "site"
            self.add_problem(
                path, f"This is {checks.kind(given)}, not a table.", f"Write [{header}] and the keys below it."
            )
            return
        for key, value in given.items():
            if isinstance(key, str):
                yield key, value
            else:
                self.add_problem(
                    (*path, repr(key)), f"This key is {checks.kind(key)}, not a string.", "Write it as a string."
                )

    def finish(self) -> None:
        """Raise the recorded problems, in the order of their lines."""
        if self.found:
            raise ConfigError(problem for _, problem in sorted(self.found, key=lambda pair: pair[0]))


def dotted(path: Path) -> str:
    """Return a path as ``services[2].hosts[0]``."""
    parts = [f"[{key}]" if isinstance(key, int) else f".{_quoted(key)}" for key in path]
    return "".join(parts).removeprefix(".")


def _quoted(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else repr(key)


def perhaps(word: str, known: Iterable[str]) -> str:
    """Return `` (or did you mean …?)`` if a known word is similar, else an empty string."""
    close = _close(word, known)
    return f" (or did you mean {close!r}?)" if close else ""


def near(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return a remedy that suggests the most similar known word; if there is none, ``otherwise`` or all known words."""
    close = _close(word, known)
    return f"Did you mean {close!r}?" if close else otherwise or f"Known here: {', '.join(sorted(known))}."


def _close(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # only on a mistake: it costs start-up time

    plain = re.sub(r"[\s_]+", "-", word.casefold())
    by_plain = {re.sub("_", "-", name): name for name in known}
    close = get_close_matches(plain, by_plain, n=1)
    return by_plain[close[0]] if close else ""
