"""
The service catalogue: signatures of trackers and embeds, as data.

The folder beside this module has one TOML file per vendor family, each an array of ``[[services]]`` tables. Every host,
cookie name and URL in them is a fact that was written down by hand. :func:`load` returns all services, from the form
that :mod:`consent_mw.catalogue.prepared` caches; :func:`parse` parses other texts. A file that breaks the schema is an
error at start-up that lists every problem, so that no partly read entry lets a tracker through.

Besides the fields of :class:`~consent_mw.core.model.Service` an entry has a ``snippet``: the code that owners paste,
shortened and with sample ids. The tests use it to check that the entry holds its own tag. ``source`` is where the facts
come from: a URL of the vendor's documentation, or "general knowledge". Both are dropped here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TypeGuard

from consent_mw.catalogue import prepared
from consent_mw.catalogue.vocabulary import KINDS
from consent_mw.catalogue.vocabulary import LAWFUL_BASES
from consent_mw.catalogue.vocabulary import PURPOSES
from consent_mw.catalogue.vocabulary import SAFEGUARDS
from consent_mw.catalogue.vocabulary import SIGNALS
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import OWN_MARKS
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.core.model import Service
from consent_mw.errors import CatalogueError
from consent_mw.errors import Problem
from consent_mw.html import service_rules

__all__ = [
    "KINDS",
    "LAWFUL_BASES",
    "PURPOSES",
    "SAFEGUARDS",
    "SERVICES",
    "SIGNALS",
    "digest",
    "load",
    "parse",
    "prepare",
]

#: The source of facts that a vendor does not document.
GENERAL_KNOWLEDGE = "general knowledge"

_TEXTS = (
    "id",
    "name",
    "vendor",
    "kind",
    "country",
    "policy",
    "opt_out",
    "safeguard",
    "lawful_basis",
    "snippet",
    "source",
)
_LISTS = (
    *("purposes", "hosts", "paths", "inline", "elements", "places"),
    *("cookies", "storage", "databases", "queue", "signals", "waits"),
)
_FLAGS = ("tracker", "embed", "manager")
_KEYS = frozenset((*_TEXTS, *_LISTS, *_FLAGS, "retention_days", "cookie_days", "description"))

#: The keys by which a service is recognised; two services with the same signature could not be distinguished.
_SIGNS = ("hosts", "paths", "inline", "elements")

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label has a letter, so that IP addresses do not match; `*` in its place means any public suffix.
_HOST = re.compile(rf"(?:{_LABEL}\.)+(?:[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])|\*)(?:/[!-~]*)?")
#: "?id=G-" is the prefix of a tag's id in the query of a script's address, on any path.
_PATH = re.compile(r"/[!-~]{3,}|\?[A-Za-z_]+=[A-Z]+-")
_INLINE = re.compile(r"\S(?:[^\r\n]*\S)?")
#: The globals that a snippet defines: `_paq[]` is an array, `fbq()` a function, `mixpanel.{track,people.set}()` are
#: methods, and `mixpanel.get_group().{set,union}()` are methods of the result of a call.
_NAME = r"[A-Za-z_$][\w$]*"
_DOTTED = rf"{_NAME}(?:\.{_NAME})*"
_SET = rf"\{{{_DOTTED}(?:,{_DOTTED})*\}}"
_QUEUE = re.compile(
    rf"{_DOTTED}(?:\.{_SET})?(?:\(\)|\[\])|{_DOTTED}\.\*|{_DOTTED}(?:\.{_SET})?\(\)\.(?:{_DOTTED}(?:\.{_SET})?|{_SET})\(\)"
    rf"|{_NAME}\{{\}}",
    re.A,
)
#: A call by which a page makes the vendor's code wait for consent, and the call that ends the wait.
_WAITS = re.compile(rf"{_NAME}(?: [\w-]+)+ >(?: [\w-]+)+", re.A)
_ADDRESS = re.compile(r"https://[a-z0-9.-]+\.[a-z]{2,}(?::\d+)?(?:/[!-~]*)?")

_Check = Callable[[str], tuple[str, str] | None]

#: The folder with the TOML files, next to this module.
SERVICES = "services"


#: The modules outside this folder that determine the format of packed services.
_PACKED_BY = ("core/model.py", "core/packed.py", "html/service_index.py", "html/signatures.py", "html/urls.py")


def load() -> Mapping[str, Service]:
    """
    Return the built-in services by id, ordered by file name and by position in the file.

    Raises:
        CatalogueError: a file breaks the schema.
    """
    return _loaded()[0]


def digest() -> str:
    """Return 64 hex digits that change with the catalogue's files and with the code that reads them."""
    return _loaded()[1]


def prepare(folder: Path) -> None:
    """
    Write the prepared form of the catalogue in ``folder`` into the same folder, for a wheel.

    Raises:
        CatalogueError: a file breaks the schema.
    """
    sources = dict(each_source(folder))
    services = parse_sources(sources)
    file = folder / prepared.FILE
    file.unlink(missing_ok=True)  # processes that have mapped the old file keep it
    file.write_bytes(prepared.dump(services.values(), prepared.digest(sources.items())))


@cache
def _loaded() -> tuple[Mapping[str, Service], str]:
    """Return the services, from the prepared form if possible, and the digest of their sources."""
    folder = Path(__file__).parent
    made_from = prepared.digest(each_source(folder))
    kept = prepared.kept_at(__file__)
    for file in (folder / prepared.FILE, kept):
        if file is not None and (services := prepared.open_file(file, made_from)) is not None:
            return services, made_from
    sources = dict(each_source(folder))
    made_from = prepared.digest(sources.items())
    content = prepared.dump(parse_sources(sources).values(), made_from)
    if kept is not None and prepared.keep(kept, content):
        services = prepared.open_file(kept, made_from)
    return services or prepared.read(content), made_from


def each_source(folder: Path) -> Iterator[tuple[str, bytes]]:
    """
    Yield the name and content of each source of the catalogue: the TOML files, and the code that checks and packs them.

    A worker only needs their digest. It reads them one by one, since all of them together take three megabytes.
    """
    names = [(name, f"{folder.parent}/{name}") for name in _PACKED_BY]
    for place, ending in ((str(folder), ".py"), (f"{folder}/{SERVICES}", ".toml")):
        names += [(name, f"{place}/{name}") for name in os.listdir(place) if name.endswith(ending)]
    for name, path in sorted(names):
        with open(path, "rb") as file:  # creating a Path for each takes as long as reading
            yield name, file.read()


def parse_sources(sources: Mapping[str, bytes]) -> Mapping[str, Service]:
    """Parse the TOML files among the sources; see :func:`parse`."""
    return parse({name: content.decode() for name, content in sources.items() if name.endswith(".toml")})


def parse(texts: Mapping[str, str], *, beside: Iterable[Service] = ()) -> Mapping[str, Service]:
    """
    Return the services of catalogue files given as text, by id.

    Args:
        texts: The files' text by name; the name only shows in errors.
        beside: Services that these are added to; an entry with the same id replaces one. No two may share a signature.

    Raises:
        CatalogueError: with every problem of every file.
    """
    problems: list[Problem] = []
    services: dict[str, Service] = {}
    places: dict[str, str] = {}
    for file, text in texts.items():
        for place, table in _tables(file, text, problems):
            before = len(problems)
            problems.extend(_check(place, table))
            if len(problems) > before:
                continue
            service = _service(table)
            if service.id in services:
                problems.append(Problem(f"{place}: id", "Another entry has this id.", "Give each service its own id."))
                continue
            services[service.id] = service
            places[service.id] = place
    owners = {
        (sign, text): other.id
        for other in beside
        if other.id not in services
        for sign in _SIGNS
        for text in getattr(other, sign)
    }
    for id_, place in places.items():
        problems.extend(_claim(place, services[id_], owners))
    if problems:
        raise CatalogueError(problems)
    return MappingProxyType(services)


def _tables(file: str, text: str, problems: list[Problem]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield each entry of one file with its place for errors: the file and the id."""
    import tomllib  # not needed at a start from the prepared form

    try:
        document: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.append(Problem(file, f"This is not TOML: {error}.", "Correct the line that the message names."))
        return
    for key in document.keys() - {"services"}:
        problems.append(Problem(f"{file}: {key}", "This key is not known.", _near(key, ("services",))))
    entries = document.get("services", [])
    if not isinstance(entries, list):
        problems.append(Problem(f"{file}: services", "This is not an array of tables.", "Write [[services]]."))
        return
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            where = f"{file}: services[{number}]"
            problems.append(Problem(where, "This is not a table.", "Write [[services]] and the fields below it."))
            continue
        name = entry.get("id")
        yield f"{file}: {name if isinstance(name, str) and name else f'services[{number}]'}", entry


def _check(place: str, table: Mapping[str, object]) -> Iterator[Problem]:
    """Yield every problem of one entry."""
    for key in table:
        if key not in _KEYS:
            yield Problem(f"{place}: {key}", "This field is not known.", _near(key, sorted(_KEYS)))
    id_ = table.get("id")
    unknown = id_ == UNKNOWN_SERVICE or (isinstance(id_, str) and id_.removeprefix(OWN_MARKS) in PURPOSES)
    needed = {"id", "name", "vendor", "purposes", "description"}
    if not unknown:
        needed |= {"policy", "snippet"}
    # A service that is recognised by paths only is self-hosted: its data stays on the site's own server.
    if table.get("hosts"):
        needed.add("country")
    for key in sorted(needed):
        if table.get(key) in (None, "", [], {}):
            yield Problem(f"{place}: {key}", "This field is missing or empty.", "Every service needs it.")
    if not unknown and not any(table.get(sign) for sign in _SIGNS):
        remedy = "Give it at least one of hosts, paths, inline or elements."
        yield Problem(place, "Nothing identifies this service in a page.", remedy)

    for key in _TEXTS:
        value = table.get(key, "")
        if not isinstance(value, str):
            yield Problem(f"{place}: {key}", "This is not a string.", "Put it in quotes.")
        elif value and (found := _TEXT_CHECKS.get(key, _fine)(value)):
            yield Problem(f"{place}: {key}", *found)
    for key in _LISTS:
        yield from _check_list(f"{place}: {key}", key, table.get(key, []))
    for key in _FLAGS:
        if not isinstance(table.get(key, False), bool):
            yield Problem(f"{place}: {key}", "This is neither true nor false.", "Write true or false without quotes.")
    days = table.get("retention_days", 0)
    if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= 36500:
        remedy = "Write the lifetime of the longest-lived cookie in days, or 0 if unknown."
        yield Problem(f"{place}: retention_days", "This is not a number of days.", remedy)
    yield from _check_description(f"{place}: description", table.get("description", {}))
    yield from _check_cookie_days(f"{place}: cookie_days", table)

    purposes = table.get("purposes")
    if _is_texts(purposes) and NECESSARY in purposes:
        if len(purposes) > 1:
            remedy = "Leave out either necessary or the others."
            yield Problem(f"{place}: purposes", "A necessary service cannot have a second purpose.", remedy)
        if table.get("tracker") is True:
            remedy = "Give it the purpose it serves, or tracker = false."
            yield Problem(f"{place}: tracker", "A tracker can never be necessary.", remedy)


def _check_list(where: str, key: str, value: object) -> Iterator[Problem]:
    """Yield the problems of one list of strings."""
    if not _is_texts(value):
        yield Problem(where, "This is not a list of strings.", 'Write ["one", "two"].')
        return
    check = _LIST_CHECKS[key]
    for position, item in enumerate(value):
        if found := check(item):
            yield Problem(f"{where}[{position}]", *found)
        elif item in value[:position]:
            yield Problem(f"{where}[{position}]", f"{item!r} occurs twice.", "Keep one of them.")


def _check_description(where: str, value: object) -> Iterator[Problem]:
    """Yield the problems of the descriptions for visitors."""
    if not isinstance(value, dict):
        yield Problem(where, "This is not a table of languages.", 'Write description.en = "One sentence.".')
        return
    if value and "en" not in value:
        yield Problem(where, "There is no English text.", 'Add description.en = "One sentence.".')
    for language, text in value.items():
        if not service_rules.LANGUAGE.fullmatch(language):
            yield Problem(f"{where}.{language}", "This is not a language tag.", "Write en, de, pt-BR and the like.")
        if not isinstance(text, str) or not re.fullmatch(r"\S.*[.。।]", text):
            remedy = "Write one line that ends in a full stop."
            yield Problem(f"{where}.{language}", "This is not one plain sentence.", remedy)


def _check_cookie_days(where: str, table: Mapping[str, object]) -> Iterator[Problem]:
    """Yield the problems of the cookies' lifetimes."""
    lives = table.get("cookie_days", {})
    if not isinstance(lives, dict):
        yield Problem(where, "This is not a table.", "Write cookie_days = { NAME = 390 }, and 0 for a session.")
        return
    cookies = table.get("cookies")
    for name, days in lives.items():
        if not isinstance(cookies, list) or name not in cookies:
            yield Problem(f"{where}.{name}", "This is not one of the cookies.", "Add it to cookies, or take it out.")
        if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= 36500:
            yield Problem(f"{where}.{name}", "This is not a number of days.", "Write a whole number; 0 for a session.")


def _expand(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Return queue paths with each set in braces expanded; empty braces mark an object for settings."""
    written = list(paths)
    while any("{" in path and not path.endswith("{}") for path in written):
        todo, written = written, []
        for path in todo:
            before, brace, rest = (path, "", "") if path.endswith("{}") else path.partition("{")
            names, _, after = rest.partition("}")
            written += [f"{before}{name}{after}" for name in names.split(",")] if brace else [path]
    return tuple(written)


def _claim(place: str, service: Service, owners: dict[tuple[str, str], str]) -> Iterator[Problem]:
    """Record the signatures of ``service`` in ``owners``; yield a problem for each that another service already has."""
    for sign in _SIGNS:
        for position, text in enumerate(getattr(service, sign)):
            owner = owners.setdefault((sign, text), service.id)
            if owner != service.id:
                what = f"{text!r} marks the service {owner!r} already."
                yield Problem(f"{place}: {sign}[{position}]", what, "Keep it in one of the two, or make it longer.")


def _service(table: Mapping[str, object]) -> Service:
    """Return the service of a table that passed every check."""

    def text(key: str, default: str = "") -> str:
        value = table.get(key, default)
        return value if isinstance(value, str) else default

    def texts(key: str) -> tuple[str, ...]:
        value = table.get(key)
        return tuple(value) if _is_texts(value) else ()

    days = table.get("retention_days", 0)
    description = table.get("description")
    lives = table.get("cookie_days")
    return Service(
        id=text("id"),
        name=text("name"),
        vendor=text("vendor"),
        kind=text("kind"),
        purposes=texts("purposes"),
        hosts=texts("hosts"),
        paths=texts("paths"),
        inline=texts("inline"),
        elements=texts("elements"),
        cookies=texts("cookies"),
        storage=texts("storage"),
        databases=texts("databases"),
        queue=_expand(texts("queue")),
        places=texts("places"),
        cookie_days=MappingProxyType(dict(lives) if isinstance(lives, dict) else {}),
        country=text("country"),
        policy=text("policy"),
        opt_out=text("opt_out"),
        safeguard=text("safeguard"),
        retention_days=days if isinstance(days, int) else 0,
        lawful_basis=text("lawful_basis", "consent"),
        tracker=table.get("tracker") is True,
        embed=table.get("embed") is True,
        manager=table.get("manager") is True,
        signals=texts("signals"),
        waits=texts("waits"),
        description=MappingProxyType(dict(description) if isinstance(description, dict) else {}),
    )


def _is_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _near(word: str, known: Iterable[str]) -> str:
    """Return a remedy with the known word closest to ``word``, or with all known words."""
    from difflib import get_close_matches  # imported only after a mistake, to save start-up time

    known = list(known)
    close = get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known here: {', '.join(known)}."


def _fine(_: str) -> None:
    return None


def _shape(pattern: re.Pattern[str], what: str, remedy: str) -> _Check:
    """Return a check that a string has the given form."""
    return lambda text: None if pattern.fullmatch(text) else (f"{text!r} is not {what}.", remedy)


def _one_of(known: tuple[str, ...]) -> _Check:
    """Return a check that a string is one of the known words."""
    return lambda text: None if text in known else (f"{text!r} is not known.", _near(text, filter(None, known)))


def _pattern(shape: re.Pattern[str], what: str) -> _Check:
    """Return a check of a name that may contain ``*``, which must not match the names of other services."""

    def check(text: str) -> tuple[str, str] | None:
        if not shape.fullmatch(text):
            return f"{text!r} is not {what}.", "Write only the name, with * for the part that varies."
        if text.startswith("*") and len(text.strip("*")) < 5 or service_rules.is_too_wide(text):
            return f"{text!r} would match unrelated names too.", "Write more of the name."
        return None

    return check


_ADDRESS_CHECK = _shape(_ADDRESS, "an https address", "Write the full address, starting with https://.")

_TEXT_CHECKS: Mapping[str, _Check] = {
    "id": _shape(service_rules.ID, "an id", "Use lower-case letters, digits and single hyphens."),
    "country": _shape(
        service_rules.COUNTRY, "an ISO 3166-1 alpha-2 code", "Write two capital letters, for example IE."
    ),
    "policy": _ADDRESS_CHECK,
    "opt_out": _ADDRESS_CHECK,
    "safeguard": _one_of(SAFEGUARDS),
    "lawful_basis": _one_of(LAWFUL_BASES),
    "kind": _one_of(KINDS),
    "source": lambda text: _ADDRESS_CHECK(text) if text != GENERAL_KNOWLEDGE else None,
    "snippet": lambda text: None if "<" in text else ("This is not HTML.", "Write the code that an owner pastes."),
}

_LIST_CHECKS: Mapping[str, _Check] = {
    "purposes": _one_of(PURPOSES),
    "hosts": _shape(_HOST, "a host", "Write example.com, example.com/path or example.*, the host in lower case."),
    "paths": _shape(_PATH, "a path rule", "Start it with a slash and write at least three more characters."),
    "inline": _shape(_INLINE, "a code signature", "Write one line of code without space around it."),
    "elements": _shape(service_rules.ELEMENT, "an element rule", "Write name, name[attr], name[attr=value] or [attr]."),
    "cookies": _pattern(service_rules.COOKIE, "a cookie name"),
    "storage": _pattern(service_rules.KEY_NAME, "a storage key"),
    "databases": _pattern(service_rules.KEY_NAME, "the name of a database"),
    "queue": _shape(
        _QUEUE,
        "a global of a vendor's snippet",
        "Write _paq[], fbq(), mixpanel.{track,people.set}(), settings{} or google.maps.*.",
    ),
    "places": _shape(
        service_rules.PLACE,
        "a place",
        "Write .class, #id, [attr], name[attr*=part], or script: and some code.",
    ),
    "signals": _one_of(SIGNALS),
    "waits": _shape(
        _WAITS,
        "a call and its answer",
        "Write the global and its words, then the answer: pintrk setconsent false > setconsent true.",
    ),
}
