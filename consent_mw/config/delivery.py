"""Reads ``[report]``: where ``consent-mw report --send`` sends the consent rates."""

from __future__ import annotations

from urllib.parse import urlsplit

from consent_mw.config.problems import ConfigReader
from consent_mw.config.schema import REPORT
from consent_mw.core.model import ReportDelivery


def read_delivery(reader: ConfigReader, given: object) -> ReportDelivery:
    """Return where reports go; record every mistake, including settings that lack a counterpart."""
    found = ReportDelivery(**reader.table(("report",), given, REPORT))
    if found.to and not found.sender:
        reader.add_problem(("report",), "The mail has no sender.", 'Add sender = "consent@example.org".')
    if found.smtp and not found.to:
        reader.add_problem(("report",), "The mail is sent to nobody.", 'Add to = ["you@example.org"].')
    if found.smtp and urlsplit(found.smtp).username and not found.smtp_password_env:
        what = "The address has a user, but no password is named."
        remedy = 'Add smtp_password_env = "CONSENT_SMTP_PASSWORD", and set that variable where the command runs.'
        reader.add_problem(("report", "smtp"), what, remedy)
    return found
