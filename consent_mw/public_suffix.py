"""Registrable domains: the part of a host name that somebody registered, as opposed to its public suffix."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

__all__ = ["is_public_suffix", "registrable"]

_LABEL = r"(?!xn--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{4,253}}\Z)(?:{_LABEL}\.)+[a-z]{{2,63}}", re.ASCII)
#: Second-level labels that registries of countries use as public suffixes.
_USUAL = re.compile(r"(?:(?:ac|co|com|edu|go|gob|gov|gouv|ltd|mil|ne|net|nom|or|org|plc|sch)\.)?[a-z]{2}", re.ASCII)


def registrable(name: str) -> str:
    """
    Return the registrable domain of a host name, or an empty string if it is not a plain host name.

    Only letters, digits, hyphens and dots are accepted, so that no name can inject markup or log lines, or look like
    another. A public suffix itself has no registrable domain, nor has a name under no public suffix (``.local``).
    """
    if not _DOMAIN.fullmatch(name):
        return ""
    return _suffixes().privatesuffix(name) or ""


def is_public_suffix(name: str) -> bool:
    """
    Return whether ``name`` is a public suffix, for which browsers accept no cookies.

    Without the library that has the full list, only the common second levels of countries are known.
    """
    try:
        from publicsuffixlist import PublicSuffixList
    except ImportError:
        return _USUAL.fullmatch(name) is not None
    return bool(PublicSuffixList().is_public(name))


@cache
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList  # the first lookup reads the list, which takes some 50 ms

    # The private section would treat the customers of one company as separate providers (compute.amazonaws.com);
    # without it, the company remains.
    return PublicSuffixList(accept_unknown=False, only_icann=True)
