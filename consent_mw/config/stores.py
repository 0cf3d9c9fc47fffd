"""
The addresses of stores: they may stand in the environment or in a file, since they contain passwords.

No error shows what was read there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace

from consent_mw.config import checks
from consent_mw.config.problems import ConfigReader
from consent_mw.config.schema import REMOTE_STORES
from consent_mw.config.schema import store_address
from consent_mw.core.model import Site

__all__ = ["address_of", "with_stores"]

_ELSEWHERE = re.compile(r"(env|file):(?!//)(.+)")


def with_stores(reader: ConfigReader, site: Site, folder: str, environ: Mapping[str, str]) -> Site:
    """
    Return the site with the addresses of its stores and absolute paths; record what does not fit together.

    Args:
        folder: The folder that relative paths refer to.
        environ: The environment variables.
    """
    found = {"records": site.records, "replica": site.replica}
    for name, text in found.items():
        try:
            found[name] = address_of(text, folder, environ)
        except checks.ValueProblem as problem:
            reader.add_problem(("site", name), problem.what, problem.remedy)
            return site
    site = replace(site, records=found["records"], replica=found["replica"])
    scheme, _, rest = site.records.partition("://")
    kind, mark, file = site.isp.partition(":")
    if site.replica and {scheme, site.replica.partition("://")[0]} - {"postgresql", "postgres"}:
        what = "Records and replica must both be in PostgreSQL."
        reader.add_problem(("site", "replica"), what, "Leave the replica out.")
    if mark:
        site = replace(site, isp=f"{kind}:{os.path.abspath(os.path.join(folder, file))}")
    if scheme not in REMOTE_STORES:
        if site.spool:
            what = "The records are on this machine, so they need no spool."
            reader.add_problem(("site", "spool"), what, "Leave it out.")
        return replace(site, records="sqlite:///" + os.path.abspath(os.path.join(folder, rest[1:])))
    if not environ.get(site.keys_env, "").strip():
        what = f"The records are shared, but the environment variable {site.keys_env} holds no keys."
        remedy = "Set it to the same keys on every machine, or each would sign differently."
        reader.add_problem(("site", "records"), what, remedy)
    return replace(site, spool=os.path.abspath(os.path.join(folder, site.spool or "consent-spool.db")))


def address_of(text: str, folder: str, environ: Mapping[str, str]) -> str:
    """
    Return the address of a store, or what ``env:NAME`` or ``file:PATH`` has.

    Raises:
        ValueProblem: there is none, or it is not the address of a store.
    """
    elsewhere = _ELSEWHERE.fullmatch(text)
    if elsewhere is None:
        return text
    kind, name = elsewhere.groups()
    if kind == "env":
        where, found = f"The environment variable {name}", environ.get(name, "").strip()
    else:
        path = os.path.abspath(os.path.join(folder, name))
        where, found = f"The file {path}", _first_line(path)
    if "://" not in found:
        what = f"{where} does not contain the address of a store."
        raise checks.ValueProblem(what, 'Write "postgresql://user:password@host/database" or the like there.')
    try:
        return store_address(found)
    except checks.ValueProblem as problem:
        raise checks.ValueProblem(f"{where}: {problem.what}", problem.remedy) from None


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as stream:
            return stream.readline(10_000).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "") or "it is not text"
        raise checks.ValueProblem(f"The file {path} cannot be read: {reason}.", "Let this user read it.") from None
