"""What to do about a finding: sentences, and tables to paste into consent.toml, indented by four spaces."""

from __future__ import annotations

import re

from consent_mw.config.toml_lines import toml_string
from consent_mw.core.model import Service

__all__ = ["own_entry_lines", "own_service_lines", "remedy_for"]


def remedy_for(kind: str, service: Service, host: str, *, wrapped: bool) -> str:
    """Return the remedy for a load, with the lines to paste."""
    if kind == "not-held":
        lines = own_service_lines(host or service.name)
        return f"Say what it is, so that visitors are asked, or told, about it:\n\n{lines}"
    if kind == "put-in-behind":
        return (
            "Look at what stands between consent_mw and visitors (a CDN, a tag gateway, a proxy that edits pages), and"
            " switch it off there, or put consent_mw in front of it."
        )
    if not service.purposes:
        return f"Wrap the site with consent_mw, and say what it is:\n\n{own_service_lines(host or service.name)}"
    declare = f"    [[services]]\n    use = {toml_string(service.id)}"
    if not wrapped:
        return f"Wrap the site with consent_mw, and ask visitors about it in consent.toml:\n\n{declare}"
    return (
        "The page went out although consent_mw is on the site: look for a path under paths.untouched, a second server"
        " or cache that answers for it, or what a CDN puts in. It should be declared, too:\n\n" + declare
    )


def own_service_lines(host: str) -> str:
    """Return the indented TOML table of a service for a host that the catalogue does not know."""
    id_ = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-") or "own"
    rows = (
        "[[services]]",
        f"id = {toml_string('own-' + id_)}",
        'vendor = "..."',
        f"hosts = [{toml_string(host)}]",
        'purposes = ["marketing"]  # or another; "necessary" where the site cannot do without it',
    )
    return "\n".join("    " + row for row in rows)


def own_entry_lines(name: str, setting: str) -> str:
    """Return the indented TOML table of a service that keeps ``name`` in the browser, named by this setting."""
    id_ = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "entry"
    rows = (
        "[[services]]",
        f"id = {toml_string('own-' + id_)}",
        'vendor = "..."',
        'purposes = ["necessary"]  # or another, if the site can do without it',
        f"{setting} = [{toml_string(name)}]",
    )
    return "\n".join("    " + row for row in rows)
