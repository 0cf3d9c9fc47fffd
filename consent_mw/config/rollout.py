"""
How a site begins: watched only, for a share of its visitors, in the place of another tool.

And how another question begins: at a moment that is the same for all machines (decision 0043).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import replace

from consent_mw.config.problems import ConfigReader
from consent_mw.core.model import Site
from consent_mw.errors import ConfigError

__all__ = ["as_it_was", "asked_before", "fitting"]

#: What two questions of one site have to agree on: with another value a machine could not read the cookies that the
#: other question left, would keep them under another name, or would write the proof somewhere else.
_SAME = (
    "id", "name", "mount", "records", "spool", "keys_env", "cookie_domain", "allow_insecure_http", "trusted_proxies",
    "caching", "mode",
)  # fmt: skip


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


def as_it_was(reader: ConfigReader, tables: Mapping[str, object]) -> Mapping[str, object]:
    """Return the tables of the configuration before, without a time of its own: changes do not queue up."""
    own = tables.get("site")
    if not isinstance(own, Mapping) or not {"takes_effect", "until_then"} & own.keys():
        return tables
    what = "The configuration before a change waits for a time itself."
    reader.add_problem(("site", "takes_effect"), what, "Let that change take effect first, and remove both settings.")
    return {**tables, "site": {key: own[key] for key in own if key not in ("takes_effect", "until_then")}}


def asked_before(reader: ConfigReader, site: Site, file: str, load: Callable[[str], Site]) -> Site | None:
    """
    Return the site as it asks until ``takes_effect``; None if that is over, or nothing was said of it.

    Args:
        file: The path of the configuration that counts until then; empty for none.
        load: Loads a configuration.
    """
    if bool(site.takes_effect) != bool(file):
        what = "It says when the question changes, and not what is asked until then."
        at, missing = ("takes_effect", "until_then") if site.takes_effect else ("until_then", "takes_effect")
        if file:
            what = "It says what is asked until the question changes, and not when that is."
        reader.add_problem(("site", at), what, f"Add {missing}, or leave both out.")
    if not site.takes_effect or not file or (site.takes_effect <= time.time() and not os.path.exists(file)):
        return None  # once it is over, the file may go
    place = ("site", "until_then")
    try:
        before = load(file)
    except ConfigError as error:
        for problem in error.problems:
            reader.add_problem(place, f"{problem.where}: {problem.what}", problem.remedy)
        return None
    for name in _SAME:
        if getattr(before, name) != getattr(site, name):
            what = f"site.{name} differs between the two files, but they are one site."
            reader.add_problem(place, what, f"Change the question in one step, and {name} in another.")
    return replace(before, hosts=(), takes_effect=site.takes_effect)
