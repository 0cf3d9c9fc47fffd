"""
Stand-ins for the globals of a held script, so that the site's own code can still call them.

A vendor's snippet does two things: it loads the vendor's code, and it defines a list or a function for the site's code
to call (``dataLayer``, ``fbq``). Without these the site's own scripts fail. So before each held script whose service
has such globals, a small script is inserted that defines them and queues the calls (``static/queue.js``); nothing is
sent. When the service is granted, ``static/replay.js`` passes on the queued calls.

A library (``google.maps``) has too many members to list. ``static/library.js`` replaces everything below such a global
and records its use, which release.js repeats with the real library (``static/libraries.js``).

The code is identical in every page, so that a policy can allow its hash; the globals are listed in an attribute. A page
without such a service contains none of this.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping
from functools import cached_property

from consent_mw.core.cache import BoundedCache
from consent_mw.core.model import Service
from consent_mw.html.definitions import defined_in
from consent_mw.html.definitions import module_in
from consent_mw.html.definitions import renamed_in
from consent_mw.html.service_index import marks_of
from consent_mw.notice.assets import Assets
from consent_mw.notice.escaping import quoted
from consent_mw.notice.page_facts import FirstPage

__all__ = ["CODE", "QueueCode"]

#: The file that defines the globals.
CODE = "queue.js"
#: The file with the stand-in for libraries, and the suffix of their paths in the catalogue.
LIBRARY = "library.js"
_ALL_BELOW = ".*"
#: Limits of the cache of attributes, in scripts and bytes.
_KEPT = 256
_KEPT_SIZE = 262_144


class QueueCode:
    """
    The code before held scripts in a site's pages; created once and shared between threads.

    Args:
        services: All services that may be held, by id.
        assets: The static files.
    """

    def __init__(self, services: Mapping[str, Service], assets: Assets) -> None:
        self._files = {name: (assets.path(name), assets.read(name).decode("ascii")) for name in (CODE, LIBRARY)}
        self._services = services
        #: A cache pays off: a site's pages share their snippets, and many visitors make the same choice.
        self._kept: BoundedCache[tuple[tuple[str, ...], frozenset[str], str], tuple[str, str]] = BoundedCache(
            _KEPT, _KEPT_SIZE
        )

    @cached_property
    def example(self) -> tuple[str, ...]:
        """The id of one service with each kind of globals, libraries first; empty if there is none."""
        ids = {_is_library(path): id_ for path, id_ in marks_of(self._services, "queue")}
        return ids.get(True, ""), ids.get(False, "")

    def markup(self, page: FirstPage, ids: Iterable[str], code: str = "") -> bytes:
        """
        Return the scripts to insert before a held one; empty if it has no globals.

        Args:
            page: The page that contains it.
            ids: The services that the script is held for.
            code: The text of the script.
        """
        words, libraries = self._told(tuple(ids), page.decision.granted, code)
        # The script of the queue must come last: the held script looks for it next to itself.
        return self._script(page, LIBRARY, "library", libraries) + self._script(page, CODE, "queue", words)

    def _script(self, page: FirstPage, file: str, attribute: str, words: str) -> bytes:
        # A visitor who has chosen will view more pages, so the code comes from a cached file and pages stay small.
        inline = page.inline and not page.xml and (page.decision.prompt or not page.linked)
        if not words or not (inline or page.linked):
            return b""
        path, code = self._files[file]
        attributes = f"data-cmw-{attribute}={words}"
        if page.nonce:
            attributes += f" nonce={quoted(page.nonce)}"
        if inline:
            script = f"<script {attributes}>{code}</script>"
        else:
            # It blocks the parser, so it runs before the scripts after it.
            script = f"<script {attributes} src={quoted(f'{page.root}/{path}')}></script>"
        return script.encode("ascii", "xmlcharrefreplace")

    def _told(self, ids: tuple[str, ...], granted: frozenset[str], code: str) -> tuple[str, str]:
        """Return the values of the attributes of the two scripts; empty if there are no such globals."""
        key = (ids, granted, code)
        told = self._kept.get(key)
        if told is None:
            services = self._services
            all_paths = [path for id_ in ids if id_ in services for path in services[id_].queue]
            running = {path for id_ in granted if id_ in services for path in services[id_].queue}
            libraries = [path.removesuffix(_ALL_BELOW) for path in all_paths if _is_library(path)]
            paths = [path for path in all_paths if not _is_library(path)]
            words = [*_words([*paths, *_renamed(paths, code)], running), *defined_in(code)]
            module = module_in(code)
            if module and module not in {re.split(r"[.(\[{=]", word.lstrip("+?"))[0] for word in words}:
                libraries.append(module)
            told = _value(ids, words), _value(ids, dict.fromkeys(libraries))
            self._kept.put(key, told)
        return told


def _is_library(path: str) -> bool:
    return path.endswith(_ALL_BELOW)


def _value(ids: Iterable[str], words: Iterable[str]) -> str:
    """Return the quoted value of an attribute that names services, then globals; empty if there are no globals."""
    words = list(words)
    return quoted(" ".join([",".join(ids), *words])) if words else ""


def _renamed(paths: Iterable[str], code: str) -> Iterable[str]:
    """Yield the global of a snippet whose name the site has changed."""
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
