"""
Writes a first, commented consent.toml from what the pages of a site load.

What only the owner knows is a comment marked TODO, so that the file is valid as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from consent_mw.audit.other_tools import OtherTool
from consent_mw.audit.other_tools import released
from consent_mw.audit.other_tools import tools_in
from consent_mw.audit.pages import AuditedPage
from consent_mw.audit.pages import Reader
from consent_mw.audit.remedies import own_service_lines
from consent_mw.audit.targets import Response
from consent_mw.config.toml_lines import toml_string
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.core.model import Service

__all__ = ["Facts", "first_config", "read_folder"]

#: A link's address, quoted or not (HTML, section 13.1.2.3), and its content.
_LINK = re.compile(
    r"<a\b[^>]*?\shref\s*=\s*(?:\"([^\"<>{}]+)\"|'([^'<>{}]+)'|([^\s\"'<>{}=`]+))[^>]*>(.{0,200}?)</a>",
    re.IGNORECASE | re.DOTALL,
)
_PRIVACY = re.compile(
    r"privacy|datenschutz|confiden[tţț]ialit|riservatezza|privacidad|prote(?:cción de datos|ction des données)|"
    r"privatlivs|personvern|integritet|personuppgift|tietosuoja|isikuandme|prywatno|soukrom|súkrom|adatvédel|"
    r"privatnost|zasebnost|απορρήτου|конфиденциальност|поверителност|gizlilik|פרטיות|خصوصية|プライバシー|隐私|"
    r"隱私|개인정보",
    re.IGNORECASE,
)
_TITLE = re.compile(r"<meta\b[^>]*property=[\"']?og:site_name\b[^>]*content=[\"']([^\"'<>{}]{1,80})[\"']", re.I)
_TEMPLATES = ("html", "htm", "jinja", "jinja2", "j2", "djhtml")
#: Limits: files of a folder, and bytes of each.
_FILES, _SIZE = 5_000, 2_000_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Facts:
    """
    What is known from the owner.

    Args:
        source: Where the pages come from.
        name: The name of the site; empty to take it from the pages.
        controller: The controller; empty to leave a TODO.
    """

    source: str
    name: str = ""
    controller: str = ""


def read_folder(folder: Path, reader: Reader) -> list[AuditedPage]:
    """Return the templates of a folder as pages; template expressions are not evaluated."""
    pages = []
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower().lstrip(".") in _TEMPLATES)
    for file in files[:_FILES]:
        try:
            with file.open("rb") as stream:
                body = stream.read(_SIZE)
        except OSError:
            continue
        answer = Response(200, (("Content-Type", "text/html; charset=utf-8"),), body)
        pages.append(reader.read("https://localhost", "/" + file.relative_to(folder).as_posix(), answer))
    return pages


def first_config(pages: Iterable[AuditedPage], reader: Reader, facts: Facts) -> str:
    """
    Return a configuration that asks about everything in the pages, including what another consent tool holds.
    """
    pages = list(pages)
    services, strangers, tools = _found(pages, reader)
    lines = [
        "# Written by `consent-mw init` from " + _CONTROL.sub(" ", facts.source) + ".",
        "# docs/settings.md has every setting. Check this file with: consent-mw check",
        "",
        "[site]",
        *_site_lines(pages, facts),
        "",
    ]
    for tool in tools:
        lines += [f"# {tool.name} is on the site. Once this works, take it out: {tool.delete}"]
        lines += [f"#   its {theirs!r} is our {ours!r}" for theirs, ours in tool.categories.items()]
        lines += [""]
    for service, seen in services:
        lines += list(_service_lines(service, seen))
    for host, seen in strangers:
        lines += [
            f"# TODO: {host} is on {seen}, and nobody has said what it is. Take the marks away once you know.",
            *("# " + row.strip() for row in own_service_lines(host).splitlines()),
            "",
        ]
    if not services:
        lines += ["# Nothing was found that waits for consent: without [[services]], it is learned from the pages.", ""]
    return "\n".join(lines)


def _site_lines(pages: list[AuditedPage], facts: Facts) -> Iterator[str]:
    titles = (unescape(found[1]).strip() for page in pages if (found := _TITLE.search(page.text)))
    name = facts.name or next(titles, "")
    yield f"name = {toml_string(_CONTROL.sub(' ', name))}" if name else '# TODO: name = "..."'
    if facts.controller:
        yield f"controller = {toml_string(facts.controller)}"
    else:
        yield '# TODO: controller = "..."  # who is responsible: name and city'
    policy = _policy_link(pages)
    yield f"privacy_policy = {toml_string(policy)}" if policy else '# TODO: privacy_policy = "/privacy"'
    yield '# TODO: contact = "..."  # where people write to'


def _policy_link(pages: list[AuditedPage]) -> str:
    for page in pages:
        for *quoted_or_not, text in _LINK.findall(page.text):
            way = unescape("".join(quoted_or_not)).strip()
            named = _PRIVACY.search(way) or _PRIVACY.search(text)
            if named and re.match(r"(?:https://[A-Za-z0-9.-]+)?/[^\s/\\]", way) and not _CONTROL.search(way):
                return way
    return ""


def _service_lines(service: Service, seen: str) -> Iterator[str]:
    yield f"# {service.name} ({service.vendor}), for {' and '.join(service.purposes)}: on {seen}."
    yield "[[services]]"
    yield f"use = {toml_string(service.id)}"
    yield ""


_Found = tuple[list[tuple[Service, str]], list[tuple[str, str]], list[OtherTool]]


def _found(pages: list[AuditedPage], reader: Reader) -> _Found:
    """Return the services, unknown hosts and other tools, with the pages that contain them."""
    services: dict[str, list[str]] = {}
    strangers: dict[str, list[str]] = {}
    tools = {tool.id: tool for page in pages for tool in tools_in(page.text)}
    for page in pages:
        shown = page
        if tools and page.text:
            head = (("Content-Type", "text/html; charset=utf-8"),)
            shown = reader.read("https://localhost", page.path, Response(200, head, released(page.text.encode())))
        for load in (*page.loads, *shown.loads):
            is_known = load.service.id in reader.services
            if is_known and not load.service.necessary:
                services.setdefault(load.service.id, []).append(page.path)
            if load.host and (not is_known or load.service.id == UNKNOWN_SERVICE):
                strangers.setdefault(load.host, []).append(page.path)
        for ids in page.marks.held:
            for id_ in ids:
                if id_ in reader.services and not reader.services[id_].necessary:
                    services.setdefault(id_, []).append(page.path)
    order = sorted(services, key=lambda id_: (reader.services[id_].purposes, id_))
    return (
        [(reader.services[id_], _pages(services[id_])) for id_ in order],
        [(host, _pages(paths)) for host, paths in sorted(strangers.items())],
        list(tools.values()),
    )


def _pages(paths: list[str]) -> str:
    first = _CONTROL.sub(" ", min(paths, key=len)[:80])
    more = len(set(paths)) - 1
    return first + (f" and {more} more" if more else "")
