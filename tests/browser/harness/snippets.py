"""
Pages that each contain one vendor's install code, and one page with all of them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.browser.harness.corpus import OWN_PAGES
from tests.browser.harness.corpus import find_corpus
from tests.browser.harness.proxy import Hit

#: Categories that are left alone or held before a choice, without any configuration.
KEPT = frozenset({"functional", "security-functional"})
HELD = frozenset({"analytics", "advertising", "tag-manager", "video", "maps", "chat", "social"})

_HEAD = re.compile(r"<title>[^<]*</title>\s*(.*?)\s*</head>", re.DOTALL)
_BODY = re.compile(r"</h1>\s*(.*?)\s*<p>end</p>", re.DOTALL)

#: First-party paths that browsers request in addition to those in the page.
_ALWAYS = ("/favicon.ico", "/_cmw/", "/.well-known/")


@dataclass(frozen=True, slots=True)
class Snippet:
    """One page and the facts about it; targets are foreign hosts, or ``SAME-ORIGIN`` for first-party paths."""

    name: str
    category: str
    source: str
    page: bytes
    hosts: frozenset[str]
    #: Targets that a browser requests for the unprotected page, by scripts on and off.
    requested: dict[bool, frozenset[str]]

    def __str__(self) -> str:
        return f"{self.source}-{self.name}"

    @property
    def first_party(self) -> str:
        """The page's own host, so that pages can share a browser profile."""
        return f"{self}.site.example"

    def targets(self, hits: Iterable[Hit]) -> frozenset[str]:
        """Return the targets of ``hits``, including connections."""
        found = set()
        for hit in hits:
            if hit.host != self.first_party:
                found.add(hit.host)
            elif hit.path not in ("", "/") and not hit.path.startswith(_ALWAYS) and "own." not in hit.path:
                found.add("SAME-ORIGIN")
        return frozenset(found)


def load(folder: Path, source: str) -> list[Snippet]:
    """Return the pages that ``index.csv`` in ``folder`` lists."""
    with (folder / "index.csv").open(encoding="utf-8", newline="") as lines:
        return [
            Snippet(
                name=row["name"],
                category=row["category"],
                source=source,
                page=(folder / row["file"]).read_bytes(),
                hosts=_set(row["hosts"]),
                requested={True: _set(row["requested_scripts_on"]), False: _set(row["requested_scripts_off"])},
            )
            for row in csv.DictReader(lines)
        ]


def snippets() -> list[Snippet]:
    """Return the project's own pages, and those of the corpus if there is one."""
    found = find_corpus()
    return load(OWN_PAGES, "own") + (load(found / "snippets", "corpus") if found is not None else [])


def combined(pages: Iterable[Snippet]) -> bytes:
    """Return one page with the heads and bodies of ``pages``, lazy elements first, so that they are in view."""
    heads, bodies = [], []
    for snippet in sorted(pages, key=lambda snippet: b'loading="lazy"' not in snippet.page):
        text = snippet.page.decode()
        head, body = _HEAD.search(text), _BODY.search(text)
        if head is None or body is None:
            raise ValueError(f"{snippet}: not of the form that pages of snippets have")
        heads.append(head[1])
        bodies.append(f"<h2>{snippet}</h2>\n{body[1]}")
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>all</title>',
            *heads,
            "</head>\n<body>",
            *bodies,
            "</body>\n</html>\n",
        ]
    ).encode()


def _set(text: str) -> frozenset[str]:
    # The corpus was recorded on a page at site.example.
    return frozenset("SAME-ORIGIN" if word == "site.example" else word for word in text.split() if word != "-")
