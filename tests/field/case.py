"""
A field case: a folder with a small site, its settings, and the steps of a visitor.

``case.toml`` has a ``title`` (what a user would expect, in one sentence), a ``kind``, optionally ``config`` (settings
as in consent.toml), ``[[responses]]`` (the site's responses by path), ``[answers]`` (files that are served for foreign
addresses), and ``[[steps]]``, each with one verb and the expectations after it. The other files of the folder are the
site: ``page.html`` is ``/``. :mod:`tests.field.steps` and :mod:`tests.field.expectations` know the verbs and the
expectations; a word that they do not know is an error when the case is read.
"""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

#: Content types by file name extension.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".htm": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".xml": "application/rss+xml",
    ".svg": "image/svg+xml",
    ".xhtml": "application/xhtml+xml",
    ".txt": "text/plain",
    ".gif": "image/gif",
}
KEYS = frozenset(
    ["title", "source", "kind", "control", "needs", "config", "learn", "viewport", "phone", "scripts", "wait", "wrap"]
    + ["script", "responses", "answers", "steps"]
)
_NUMBERS = re.compile(rb"%%NUMBERS:(\d+)%%")


@dataclass(frozen=True)
class Case:
    """One folder with a ``case.toml``."""

    folder: Path
    told: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Case:
        """
        Read a case.

        Raises:
            ValueError: if it has an unknown key.
        """
        told = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))
        if unknown := set(told) - KEYS:
            raise ValueError(f"{folder.name}/case.toml: unknown keys {sorted(unknown)}; known are {sorted(KEYS)}")
        return cls(folder, told)

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def needs(self) -> list[tuple[str, str]]:
        """The requirements of the case: pairs of ``npm``, ``python`` or ``program``, and a name."""
        return [(need.partition(":")[0], need.partition(":")[2]) for need in self.told.get("needs", [])]

    def file(self, path: str) -> bytes | None:
        """Return a file of the site, or None; ``%%NUMBERS:n%%`` in it becomes about n bytes of numbers."""
        target = (self.folder / path.lstrip("/")).resolve()
        private = target.suffix in {".py", ".toml"} or self.folder.resolve() not in target.parents
        if private or not target.is_file():
            return None
        return _NUMBERS.sub(lambda found: numbers(int(found[1])), target.read_bytes())

    @cached_property
    def texts(self) -> str:
        """All texts of the case: its pages cannot request a host that is not in them."""
        return "\n".join(path.read_text(errors="replace") for path in self.folder.iterdir() if path.is_file())

    def module(self, name: str) -> ModuleType:
        """Import a Python file of the case."""
        spec = importlib.util.spec_from_file_location(
            f"field_{re.sub(r'[^a-z0-9]', '_', self.name)}", self.folder / name
        )
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def numbers(size: int) -> bytes:
    """Return about ``size`` bytes of comma-separated numbers, like inline data of a page."""
    text = ",".join(f"{i * 6151 % 999_983}" for i in range(size // 7 + 1))
    return text[:size].rpartition(",")[0].encode()
