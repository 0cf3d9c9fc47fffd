"""
Stand-ins for the globals of a held script, so that the site's own code can still call them.

A vendor's snippet does two things: it loads the vendor's code, and it defines a list or a function for the site's code
to call (``dataLayer``, ``fbq``). Without these the site's own scripts fail. So before each held script whose service
has such globals, a small script is inserted that defines them and queues the calls (``static/queue.js``); nothing is
sent. When the service is granted, ``static/replay.js`` passes on the queued calls.

The code is identical in every page, so that a policy can allow its hash; the globals are listed in an attribute. A page
without such a service contains none of this.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping

from consent_mw.core.cache import BoundedCache
from consent_mw.core.model import Service
from consent_mw.html.definitions import defined_in
from consent_mw.html.definitions import renamed_in
from consent_mw.notice.assets import Assets
from consent_mw.notice.escaping import quoted
from consent_mw.notice.page_facts import FirstPage

__all__ = ["CODE", "QueueCode"]

#: The file that defines the globals.
CODE = "queue.js"
#: Limits of the cache of attributes, in scripts and bytes.
_KEPT = 256
_KEPT_SIZE = 262_144


class QueueCode:
    """
    The code before held scripts in a site's pages; created once and shared by threads.

    Args:
        services: All services that may be held, by id.
        assets: The static files.
    """

    def __init__(self, services: Mapping[str, Service], assets: Assets) -> None:
        self._path = assets.path(CODE)
        self._code = assets.read(CODE).decode("ascii")
        self._services = services
        #: Worth caching: a site's pages share their snippets, and many visitors make the same choice.
        self._kept: BoundedCache[tuple[tuple[str, ...], frozenset[str], str], str] = BoundedCache(_KEPT, _KEPT_SIZE)
        #: Ids of the services that define globals.
        self.example = tuple(service.id for service in services.values() if service.queue)[:1]

    def markup(self, page: FirstPage, ids: Iterable[str], code: str = "") -> bytes:
        """
        Return the script to insert before a held one; empty if it has no globals.

        Args:
            page: The page it stands in.
            ids: The services that the script is held for.
            code: The text of the script.
        """
        words = self._told(tuple(ids), page.decision.granted, code)
        # Visitors who have chosen view more pages: for them the code is a cached file, so that pages stay small.
        inline = page.inline and not page.xml and (page.decision.prompt or not page.linked)
        if not words or not (inline or page.linked):
            return b""
        attributes = f"data-cmw-queue={words}"
        if page.nonce:
            attributes += f" nonce={quoted(page.nonce)}"
        if inline:
            script = f"<script {attributes}>{self._code}</script>"
        else:
            # It blocks the parser, so that it runs before what follows.
            script = f"<script {attributes} src={quoted(f'{page.root}/{self._path}')}></script>"
        return script.encode("ascii", "xmlcharrefreplace")

    def _told(self, ids: tuple[str, ...], granted: frozenset[str], code: str) -> str:
        """Return the value of the script's attribute; empty if there are no globals."""
        key = (ids, granted, code)
        told = self._kept.get(key)
        if told is None:
            services = self._services
            paths = [path for id_ in ids if id_ in services for path in services[id_].queue]
            running = {path for id_ in granted if id_ in services for path in services[id_].queue}
            words = [*_words([*paths, *_renamed(paths, code)], running), *defined_in(code)]
            told = quoted(" ".join([",".join(ids), *words])) if words else ""
            self._kept.put(key, told)
        return told


def _renamed(paths: Iterable[str], code: str) -> Iterable[str]:
    """Yield what stands for the globals of a snippet that a site has given another name."""
    lists = [path for path in paths if path.endswith("[]") and "." not in path]
    functions = [path for path in paths if path.endswith("()") and "." not in path]
    name = renamed_in(code, [path[:-2] for path in (*lists, *functions)]) if lists or functions else ""
    if name and functions and re.search(rf"(?<![\w$.]){re.escape(name)}\s*\(", code):
        yield f"{name}()"
    elif name and lists:
        yield f"{name}[]"


def _words(paths: Iterable[str], running: set[str]) -> list[str]:
    """
    Return the globals in the script's format: ``_paq[]``, ``fbq``, ``mixpanel=track,people.set,get_group().union``.

    A list that a running service also uses is marked with ``!``: the script creates it if it is missing, and leaves it
    alone otherwise.
    """
    roots: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        root, _, rest = path.removesuffix("()").partition(".")
        if root.endswith("()"):
            root, rest = f"{root}.{rest}", ""
        shared = path in running and path.endswith("[]")
        roots.setdefault("!" + root if shared else root, []).append(rest)
    words = []
    for root, names in roots.items():
        words += [root] if "" in names else []
        if rest := ",".join(filter(None, names)):
            words.append(f"{root}={rest}")
    return words
