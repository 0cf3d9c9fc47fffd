"""
Reads the settings of a rollout: shadow mode, a share of the visitors, and the migration from another consent tool.

Also reads the time at which a changed question takes effect, on all machines at once (decision 0043).
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

#: Settings in which the configurations before and after a change have to agree. Otherwise a machine could not read the
#: cookies set under the other one, would use another name for them, or would store the proof elsewhere.
_SAME = (
    "id", "name", "mount", "records", "spool", "keys_env", "cookie_domain", "allow_insecure_http", "trusted_proxies",
    "caching", "mode",
)  # fmt: skip


def fitting(reader: ConfigReader, site: Site, folder: str) -> Site:
    """
    Return the site with the absolute path of its report; record settings that contradict each other.

    Args:
        folder: The folder that relative paths refer to.
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
    """Return the tables of the previous configuration; refuse a ``takes_effect`` in it: changes cannot be queued."""
    own = tables.get("site")
    if not isinstance(own, Mapping) or not {"takes_effect", "until_then"} & own.keys():
        return tables
    what = "The configuration before a change waits for a time itself."
    reader.add_problem(("site", "takes_effect"), what, "Let that change take effect first, and remove both settings.")
    return {**tables, "site": {key: own[key] for key in own if key not in ("takes_effect", "until_then")}}


def asked_before(reader: ConfigReader, site: Site, file: str, load: Callable[[str], Site]) -> Site | None:
    """
    Return the site with the question that it asks until ``takes_effect``; None if that is over or not set.

    Args:
        file: The path of the configuration that applies until then; empty if there is none.
        load: Loads a configuration.
    """
    if bool(site.takes_effect) != bool(file):
        what = "It says when the question changes, and not what is asked until then."
        at, missing = ("takes_effect", "until_then") if site.takes_effect else ("until_then", "takes_effect")
        if file:
            what = "It says what is asked until the question changes, and not when that is."
        reader.add_problem(("site", at), what, f"Add {missing}, or leave both out.")
    if not site.takes_effect or not file or (site.takes_effect <= time.time() and not os.path.exists(file)):
        return None  # after that time, the file may be deleted
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
    return replace(before, hosts=(), takes_effect=site.takes_effect, outgoing=True)
