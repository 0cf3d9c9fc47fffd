"""Registrable domains: which part of a host name somebody registered, and which is open to everybody."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

__all__ = ["is_public_suffix", "registrable"]

_LABEL = r"(?!xn--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{4,253}}\Z)(?:{_LABEL}\.)+[a-z]{{2,63}}", re.ASCII)
#: Names under the domain of a country that its registry sells names under.
_USUAL = re.compile(r"(?:(?:ac|co|com|edu|go|gob|gov|gouv|ltd|mil|ne|net|nom|or|org|plc|sch)\.)?[a-z]{2}", re.ASCII)


def registrable(name: str) -> str:
    """
    Return the part of a host name that somebody registered, or an empty text for what is no plain host name.

    Only letters, digits, hyphens and dots pass, so that no name can become markup, a log line or a look-alike
    somewhere; a public suffix alone, and a name under none (``.local``), is nobody's.
    """
    if not _DOMAIN.fullmatch(name):
        return ""
    return _suffixes().privatesuffix(name) or ""


def is_public_suffix(name: str) -> bool:
    """
    Return whether anybody may register names under ``name``, so that browsers keep no cookie for all of them.

    Without the library that knows them all, the usual second levels of countries are known.
    """
    try:
        from publicsuffixlist import PublicSuffixList
    except ImportError:
        return _USUAL.fullmatch(name) is not None
    return bool(PublicSuffixList().is_public(name))


@cache
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList  # reads its list, some 50 ms, when the first name is found

    # The private section lists customers of one company as if each were a provider (compute.amazonaws.com):
    # without it the company is what remains.
    return PublicSuffixList(accept_unknown=False, only_icann=True)
