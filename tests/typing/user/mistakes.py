"""Mistakes that a type checker has to find; each line says which."""

from __future__ import annotations

from consent_mw import ConsentMiddleware
from consent_mw import Decision

ConsentMiddleware("app")  # an application is callable


def ask(decision: Decision) -> int:
    """Ask in a wrong way."""
    return decision.allows(7)  # an id is a text, and the answer a bool


def change(decision: Decision) -> None:
    """A decision is frozen."""
    decision.receipt = ""  # frozen
