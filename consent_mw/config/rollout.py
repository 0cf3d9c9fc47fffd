"""How a site begins with consent_mw: watched only, for a share of its visitors, in the place of another tool."""

from __future__ import annotations

import os
from dataclasses import replace

from consent_mw.config.problems import ConfigReader
from consent_mw.core.model import Site

__all__ = ["fitting"]


def fitting(reader: ConfigReader, site: Site, folder: str) -> Site:
    """
    Return the site with the absolute place of its report, noting settings that do not go together.

    Args:
        folder: What paths in the configuration are relative to.
    """
    if site.live_share and site.mode != "report":
        what = f'A share of {site.live_share} % has a meaning with mode = "report" alone.'
        reader.add_problem(("site", "live_share"), what, 'Add mode = "report", or leave the share out.')
    if site.live_share and site.caching != "private":
        what = f"With caching = {site.caching!r} caches would hand the pages of one side to the other."
        reader.add_problem(("site", "live_share"), what, 'Write caching = "private" until it is on for everybody.')
    if site.migrate_from and not site.migrate_until:
        what = "It says whose choices count, and not how long."
        remedy = "Add migrate_until with a day some months ahead: migrate_until = 2027-05-31"
        reader.add_problem(("site", "migrate_from"), what, remedy)
    if site.migrate_from and site.caching != "private":
        what = f"With caching = {site.caching!r} pages are made for many, and another tool's choice is one visitor's."
        reader.add_problem(("site", "migrate_from"), what, 'Write caching = "private" until migrate_until is over.')
    if site.mode != "report":
        return site
    return replace(site, report_file=os.path.abspath(os.path.join(folder, site.report_file)))
