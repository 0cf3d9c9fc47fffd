"""
What a notice document records of a site and its services: everything that a visitor can read.
"""

from __future__ import annotations

__all__ = ["SERVICE_FACTS", "SITE_FACTS", "UNSEEN"]

#: Attributes of the site.
SITE_FACTS = (
    "id",
    "name",
    "controller",
    "contact",
    "privacy_policy",
    "supervisory_authority",
    "languages",
    "mount",
    "choice_days",
    "record_days",
    "release",
    "reopen",
    "unknown",
    "counters",
)
#: Attributes of a service.
SERVICE_FACTS = (
    "id",
    "name",
    "vendor",
    "purposes",
    "cookies",
    "storage",
    "country",
    "safeguard",
    "retention_days",
    "lawful_basis",
    "policy",
    "opt_out",
)
#: The beginnings of the keys of texts that are left out, since they do not affect what the visitor agrees to. Of the
#: names of countries, only those that occur are kept.
UNSEEN = ("country.", "date", "digits", "error.", "list.", "month.", "plural.", "policy.", "receipt.", "stats.")
