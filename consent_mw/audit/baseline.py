"""
The baseline: a file of findings that the owner accepts, each until a date.

An entry names a finding by its id, so it also applies to the same thing on another page or line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from datetime import timedelta
from pathlib import Path

from consent_mw.audit.findings import KINDS
from consent_mw.audit.findings import AuditReport
from consent_mw.config.source import read_file
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem

__all__ = ["Accepted", "accept", "accepted_lines", "read_accepted"]

#: Default number of days for which a finding is accepted.
_ACCEPTED_DAYS = 90
_ID = re.compile(r"[0-9a-f]{10}")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A finding that the owner accepts until a date."""

    id: str
    until: date
    reason: str = ""


def read_accepted(file: Path) -> tuple[Accepted, ...]:
    """
    Return the accepted findings of a file.

    Raises:
        ConfigError: with every mistake in it.
    """
    shown = str(file)
    if not file.exists():
        raise ConfigError([Problem(shown, "There is no such file.", "Make it with --write-baseline.")])
    _, tables = read_file(shown)
    given, problems, found = tables.get("accepted", []), [], []
    for number, entry in enumerate(given if isinstance(given, list) else [given], 1):
        where = f"{shown}, accepted {number}"
        id_, until = (entry.get("id"), entry.get("until")) if isinstance(entry, dict) else (None, None)
        if not isinstance(id_, str) or not _ID.fullmatch(id_):
            problems.append(Problem(where, "id is not the id of a finding.", "Copy it from a report: ten hex digits."))
        elif type(until) is not date:
            problems.append(Problem(where, "until is not a day.", "Write until = 2026-12-31, without quotes."))
        else:
            found.append(Accepted(id_, until, str(entry.get("reason", ""))))
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def accept(report: AuditReport, accepted: Iterable[Accepted], today: date) -> None:
    """Mark the findings of a report that are accepted and have not expired."""
    by_id = {one.id: one for one in accepted if one.until >= today}
    for finding in report.findings:
        if one := by_id.get(finding.id):
            finding.accepted = one.reason or f"until {one.until.isoformat()}"


def accepted_lines(report: AuditReport, today: date) -> str:
    """Return the content of a file that accepts the open findings of a report for a limited time."""
    until = (today + timedelta(days=_ACCEPTED_DAYS)).isoformat()
    parts = ["# Findings of `consent-mw audit` that are accepted until a day.\n"]
    for finding in report.open:
        comment = f"# {KINDS[finding.kind].title}: {finding.what}".replace("\n", " ")
        parts.append(f'\n{comment}\n[[accepted]]\nid = "{finding.id}"\nuntil = {until}\nreason = ""\n')
    return "".join(parts)
