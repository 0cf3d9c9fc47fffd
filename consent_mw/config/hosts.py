"""
``[hosts]``: separate sites for some of the hosts that one application serves.

Each site has its own configuration, a file or a table. It is as independent as if it had its own middleware, with its
own services, notice, records and cookie signatures. All configurations are read at start-up.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import replace

from consent_mw.config import checks
from consent_mw.config.problems import ConfigReader
from consent_mw.config.schema import HOST_NAME
from consent_mw.core.model import Site
from consent_mw.errors import ConfigError

__all__ = ["with_hosts"]

_Load = Callable[[object], Site]


def with_hosts(reader: ConfigReader, site: Site, given: object, folder: str, load: _Load) -> Site:
    """
    Return the site with the sites of its hosts; record the problems in them.

    Args:
        given: The table, by host; a host may begin with ``*.``.
        folder: The folder that relative paths refer to.
        load: Loads one configuration from the path of a file, or from a mapping.
    """
    found: list[tuple[str, Site]] = []
    for host, source in reader.pairs(("hosts",), given):
        place = ("hosts", host)
        if not HOST_NAME.fullmatch(host):
            remedy = 'Write "shop.example", or "*.shop.example" for its subdomains, without scheme and port.'
            reader.add_problem(place, f"{host!r} is not a host.", remedy)
            continue
        if isinstance(source, str):
            source = os.path.join(folder, source)
        elif not isinstance(source, Mapping):
            reader.add_problem(place, f"This is {checks.kind(source)}.", "Write the path of a TOML file, or a table.")
            continue
        try:
            inner = load(source)
        except ConfigError as error:
            for problem in error.problems:
                reader.add_problem(place, f"{problem.where}: {problem.what}", problem.remedy)
            continue
        if inner.hosts:
            reader.add_problem(place, "The site of a host cannot have [hosts] itself.", "List all hosts in one table.")
        for other, known in [("this site", site), *((f"{name!r}", one) for name, one in found)]:
            if (inner.id, inner.records) == (known.id, known.records):
                what = f"Its records would mix with those of {other}."
                reader.add_problem(place, what, "Give it its own site.id or site.records.")
        found.append((host.lower(), replace(inner, hosts=())))
    return replace(site, hosts=tuple(found))
