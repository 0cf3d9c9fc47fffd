"""
The static files: scripts, style sheets, and the texts in each language.

They are in ``static/`` at the top of the project, and in the wheel as ``consent_mw.static``. Each is read once, at
start-up, and served under a name that contains a hash of its content, so that caches can keep it forever.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType

from consent_mw.errors import ConsentError

#: Content types by file extension; no other files in the folder are served.
CONTENT_TYPES: Mapping[str, str] = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
    }
)

#: The language that defines the complete set of texts; other languages fall back to it, text by text.
FALLBACK_LANGUAGE = "en"

#: Eight hex digits distinguish the versions of a file; this is not a security measure.
_HASH_DIGITS = 8

#: Style sheets of our own pages. All others share a page with the owner's style sheets, so they are protected.
_IN_OWN_PAGES = frozenset({"dashboard.css", "pages.css"})

#: The custom properties of a theme, which are served under one letter each, since first visits download the sheets.
_SHORT: Mapping[str, str] = MappingProxyType(
    {
        **{"paper": "p", "ink": "i", "soft": "s", "line": "l", "edge": "e", "fill": "b", "main": "m", "over": "o"},
        **{"on": "n", "focus": "f", "round": "r", "font": "t", "width": "w"},
    }
)

#: The folder of the scripts that ``tools/build_scripts.py`` builds.
_BUILT = "built"

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_AROUND = re.compile(r"\s*([{};,>~])\s*")
_AFTER_COLON = re.compile(r":\s+")
_BLOCK = re.compile(r"\{([^{}]*)\}")
_PROPERTY = re.compile(r"--cmw-([a-z]+)")
_IS_TAG = re.compile(r"[A-Za-z0-9-]+")


@cache
def root() -> Traversable:
    """
    Return the folder of static files.

    Raises:
        ConsentError: if the folder is missing.
    """
    package = files("consent_mw")
    packed = package / "static"
    if packed.is_dir():
        return packed
    # In a bare checkout the folder is next to the package. Require setup.cfg as proof of our checkout, since a stray
    # site-packages/static must never be served.
    checkout = Path(str(package)).parent
    if (checkout / "setup.cfg").is_file() and (checkout / "static").is_dir():
        return checkout / "static"
    raise ConsentError(f"the static files are missing from {packed}: install consent_mw again")


def compact_css(text: str) -> str:
    """
    Return the style sheet without comments and unnecessary whitespace.

    Only for our own sheets: quoted text in them must not contain a brace or a semicolon.
    """
    text = _COMMENT.sub("", text)
    text = _AROUND.sub(r"\1", " ".join(text.split()))
    # Whitespace follows only the colon of a declaration, never that of a pseudo-class.
    return _AFTER_COLON.sub(":", text).replace(";}", "}").strip()


def property_of(name: str) -> str:
    """Return the custom property, as it is served, for a name in a theme (``main``)."""
    return f"--cmw-{_SHORT.get(name, name)}"


def armour_css(text: str) -> str:
    """
    Return the compact style sheet, protected against the rules of the page it is inserted into.

    The custom properties of a theme get their short names. Every declaration becomes ``!important`` inside one cascade
    layer: such a declaration beats every unlayered one, important or not (CSS Cascading and Inheritance Level 5,
    section 6.4.4).
    """

    def harden(block: re.Match[str]) -> str:
        declarations = [part for part in block[1].split(";") if part]
        return "{" + ";".join(f"{part}!important" for part in declarations) + "}"

    armoured = _BLOCK.sub(harden, compact_css(text))
    return "@layer cmw{" + _PROPERTY.sub(lambda found: property_of(found[1]), armoured) + "}"


def short_hash(content: bytes) -> str:
    """Return the hash of a file's content that is part of its path, in hex."""
    return hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]


class Assets:
    """
    The static files, read once.

    Args:
        folder: A folder to use instead of the shipped one, for tests.
    """

    def __init__(self, folder: Traversable | None = None) -> None:
        self._content: dict[str, bytes] = {}
        self._paths: dict[str, str] = {}
        self._by_path: dict[str, str] = {}
        self._folder = folder if folder is not None else root()
        for entry in sorted(self._entries(), key=lambda entry: entry.name):
            stem, _, ending = entry.name.rpartition(".")
            content = self._prepare(entry.name, entry.read_bytes())
            digest = short_hash(content)
            path = f"assets/{stem}.{digest}.{ending}"
            self._content[entry.name] = content
            self._paths[entry.name] = path
            self._by_path[path] = entry.name

    @classmethod
    @cache
    def shipped(cls) -> Assets:
        """Return the files of the package; a process reads them once, however many sites it has."""
        return cls()

    def _entries(self) -> Iterator[Traversable]:
        """Yield the files to serve: the folder's style sheets and pictures, and the built scripts."""
        for folder, scripts in ((self._folder, False), (self._folder / _BUILT, True)):
            for entry in folder.iterdir() if folder.is_dir() else ():
                dot, ending = entry.name.rpartition(".")[1:]
                if dot + ending in CONTENT_TYPES and (ending == "js") is scripts and entry.is_file():
                    yield entry

    @staticmethod
    def _prepare(name: str, content: bytes) -> bytes:
        if name in _IN_OWN_PAGES:
            return compact_css(content.decode()).encode()
        if name.endswith(".css"):
            return armour_css(content.decode()).encode()
        return content.rstrip(b"\n")

    def read(self, name: str) -> bytes:
        """
        Return the content of the file, as it is served.

        Raises:
            ConsentError: if there is no such file.
        """
        return self._content[self._known(name)]

    def path(self, name: str) -> str:
        """
        Return the file's path under the mount, with its hash: ``assets/runtime.3f2a91c0.js``.

        Raises:
            ConsentError: if there is no such file.
        """
        return self._paths[self._known(name)]

    @property
    def digest(self) -> str:
        """A hash, in hex digits, that changes with any of the files."""
        return short_hash(repr(sorted(self._paths.items())).encode())

    def keep(self, name: str, content: bytes) -> str:
        """Serve a generated file, and return its path under the mount; the same content has the same path."""
        stem, _, ending = name.rpartition(".")
        made = f"{stem}.{short_hash(content)}.{ending}"
        self._content[made] = content
        self._by_path[f"assets/{made}"] = made
        return f"assets/{made}"

    def find(self, path: str) -> tuple[bytes, str] | None:
        """Return the content and content type of the file whose :meth:`path` is ``path``, or None."""
        name = self._by_path.get(path)
        if name is None:
            return None
        return self._content[name], CONTENT_TYPES[name[name.rindex(".") :]]

    def integrity(self, name: str) -> str:
        """
        Return the file's integrity metadata (Subresource Integrity), for example ``sha384-...``.

        Raises:
            ConsentError: if there is no such file.
        """
        return "sha384-" + base64.b64encode(hashlib.sha384(self.read(name)).digest()).decode()

    def _known(self, name: str) -> str:
        if name not in self._content:
            raise ConsentError(f"the static file {name!r} is missing from {self._folder}: install consent_mw again")
        return name


class Texts(Mapping[str, Mapping[str, str]]):
    """
    Every text of the notice and the pages, by language tag and then by key (``banner.title``).

    Translations are in ``i18n/TAG.json``, CLDR data of the language (countries, months, dates, lists, plural rules) in
    ``i18n/locale/TAG.json``, and descriptions of the kinds of services in ``i18n/kinds/TAG.json``. A language is loaded
    on first use. Missing texts are taken from English.

    Args:
        folder: The folder ``i18n``.

    Raises:
        ConsentError: if a file is not a mapping of texts, or the English one is missing.
    """

    def __init__(self, folder: Traversable) -> None:
        self._folder = folder
        self._tags = sorted(
            entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json")
        )
        self._own: dict[str, Mapping[str, str]] = {}
        self._locales: dict[str, Mapping[str, str]] = {}
        self._kinds: dict[str, Mapping[str, str]] = {}
        self._whole: dict[str, Mapping[str, str]] = {}
        if FALLBACK_LANGUAGE not in self._tags:
            raise ConsentError(f"the texts in {FALLBACK_LANGUAGE!r} are missing: install consent_mw again")
        self._english = self.own(FALLBACK_LANGUAGE)

    def __getitem__(self, tag: str) -> Mapping[str, str]:
        if tag not in self._whole:
            locale = self.locale(tag) or self.locale(FALLBACK_LANGUAGE)
            self._whole[tag] = MappingProxyType({**self._english, **self.own(tag), **locale})
        return self._whole[tag]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tags)

    def __len__(self) -> int:
        return len(self._tags)

    def own(self, tag: str) -> Mapping[str, str]:
        """
        Return the language's own texts, without fallbacks and CLDR data.

        Raises:
            KeyError: if there is no such language.
        """
        if tag not in self._own:
            if tag not in self._tags:
                raise KeyError(tag)
            self._own[tag] = self._read(self._folder / f"{tag}.json")
        return self._own[tag]

    def locale(self, tag: str) -> Mapping[str, str]:
        """Return the CLDR data of the language; empty if there is none."""
        if tag not in self._locales:
            file = self._folder / "locale" / f"{tag}.json"
            if not _IS_TAG.fullmatch(tag) or not file.is_file():
                return {}
            self._locales[tag] = self._read(file)
        return self._locales[tag]

    def kinds(self, tag: str) -> Mapping[str, str]:
        """Return the language's description of each kind of service; empty if it has none."""
        if tag not in self._kinds:
            file = self._folder / "kinds" / f"{tag}.json"
            if not _IS_TAG.fullmatch(tag) or not file.is_file():
                return {}
            self._kinds[tag] = self._read(file)
        return self._kinds[tag]

    @staticmethod
    def _read(file: Traversable) -> Mapping[str, str]:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not all(isinstance(text, str) for text in content.values()):
            raise ConsentError(f"{file.name} is not a mapping of texts: install consent_mw again")
        return content


@cache
def texts() -> Texts:
    """
    Return the texts of every language.

    Raises:
        ConsentError: if the English texts are missing or malformed.
    """
    return Texts(root() / "i18n")
