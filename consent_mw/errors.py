"""
The error tree of consent_mw.

Every error names the problem, its place, and the remedy. Errors about an owner's mistakes are raised only at start-up.
Nothing that a visitor sends raises past the core.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class ConsentError(Exception):
    """Base of every error that consent_mw raises."""


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One mistake in an owner's configuration.

    Args:
        where: The place, for example ``consent.toml:12: services[2].hosts[0]``.
        what: The problem, in one sentence.
        remedy: What to write instead, in one sentence.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} {self.remedy}".rstrip()


class ConfigError(ConsentError):
    """The configuration has mistakes; ``problems`` holds all of them, in order of place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{count} problem{'' if count == 1 else 's'} in the consent_mw configuration:"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))


class CatalogueError(ConsentError):
    """A file of the service catalogue breaks its schema; ``problems`` holds all of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [f"  {problem}" for problem in self.problems]
        super().__init__("\n".join(["the service catalogue is not valid:", *lines]))


class RecordsError(ConsentError):
    """A consent record could not be stored or read; the grant must not be acknowledged."""


class RefusedMarkup(ConsentError):
    """A page cannot be parsed safely, so none of it may be sent; ``setting`` names the setting to change."""

    def __init__(self, what: str, setting: str = "") -> None:
        self.setting = setting
        super().__init__(what)


class DeadRewriter(ConsentError):
    """A rewriter was used again after it finished or failed."""


class MisusedExchange(ConsentError):
    """An edge called an exchange out of order, for example with a second head after the body."""
