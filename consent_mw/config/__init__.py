"""
Reads the owner's configuration, ``consent.toml`` or a mapping of the same form, into a
:class:`~consent_mw.core.model.Site`.

:func:`load` reads everything before it reports: it lists all problems at once, each with its place and its remedy, and
a configuration with problems is not used at all. docs/settings.md describes each setting; ``SETTINGS`` lists them.

Limits: settings do not change while the process runs. :func:`consent_mw.cookies.keys.load_keys` reads the keys.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import replace
from operator import itemgetter
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any

from consent_mw.catalogue import PURPOSES
from consent_mw.catalogue import load as load_catalogue
from consent_mw.catalogue.definitions import joined
from consent_mw.catalogue.definitions import read_folder
from consent_mw.config import checks
from consent_mw.config import look
from consent_mw.config import rollout
from consent_mw.config.delivery import read_delivery
from consent_mw.config.hosts import with_hosts
from consent_mw.config.problems import ConfigReader
from consent_mw.config.problems import near
from consent_mw.config.problems import perhaps
from consent_mw.config.schema import ANNOTATION
from consent_mw.config.schema import CHANGE
from consent_mw.config.schema import ID
from consent_mw.config.schema import PATHS
from consent_mw.config.schema import PURPOSE
from consent_mw.config.schema import SERVICE
from consent_mw.config.schema import SETTINGS
from consent_mw.config.schema import SIGNALS
from consent_mw.config.schema import SITE
from consent_mw.config.schema import STATS
from consent_mw.config.source import parse_text
from consent_mw.config.source import read_file
from consent_mw.config.stores import with_stores
from consent_mw.config.toml_lines import Path
from consent_mw.config.wordings import read_wordings
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.core.model import Annotation
from consent_mw.core.model import Change
from consent_mw.core.model import Purpose
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.core.model import StatsAccess
from consent_mw.core.model import VendorSignals
from consent_mw.errors import CatalogueError
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem
from consent_mw.html import service_rules
from consent_mw.html.service_index import host_rules_near
from consent_mw.html.service_index import is_tracker
from consent_mw.html.service_index import marks_of
from consent_mw.notice.languages import canonical

__all__ = ["SETTINGS", "load", "load_text"]

_TOP = (
    *("site", "paths", "hosts", "stats", "report", "annotations", "purposes", "services", "theme", "links", "signals"),
    *("changes", "texts", "wordings"),
)

#: Keys that recognise a service. With `use` they add to the catalogue's values: replacing these could let a tag by.
_SIGNS = ("hosts", "paths", "inline", "elements", "cookies", "storage")


def load(
    source: None | str | os.PathLike[str] | Mapping[str, object] = None,
    *,
    catalogue: Mapping[str, Service] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Site:
    """
    Return the site that ``source`` describes.

    Args:
        source: The path of a TOML file, a mapping of the same form, or None for the defaults.
        catalogue: The services that ``use`` may name; None for the built-in ones.
        environ: The environment variables with the signing keys; None for those of the process.

    Raises:
        ConfigError: with every mistake in ``source``.
    """
    folder = os.getcwd()
    tables: Mapping[str, object] = {}
    reader = ConfigReader()
    if isinstance(source, Mapping):
        tables = source
    elif isinstance(source, str | os.PathLike):
        file = os.fsdecode(source)
        if "\n" in file:
            what = "The configuration is the text of a TOML file."
            raise ConfigError(
                [Problem("config", what, "Give its path, or the mapping that tomllib.loads makes of it.")]
            )
        folder = os.path.dirname(os.path.abspath(file))
        reader, tables = read_file(file)
    elif source is not None:
        what = f"The configuration is {checks.kind(source)}."
        raise ConfigError([Problem("config", what, "Give the path of a TOML file, or a mapping.")])
    return _site(reader, tables, folder, catalogue, os.environ if environ is None else environ)


def load_text(text: str, file: str) -> Site:
    """
    Return the site that ``file`` would describe if it had this text.

    Raises:
        ConfigError: with every mistake in it.
    """
    reader, tables = parse_text(text, file)
    return _site(reader, tables, os.path.dirname(os.path.abspath(file)), None, os.environ)


def _site(
    reader: ConfigReader,
    tables: Mapping[str, object],
    folder: str,
    catalogue: Mapping[str, Service] | None,
    environ: Mapping[str, str],
) -> Site:
    """Build the site, or raise every problem found on the way."""
    parts = dict(reader.pairs((), tables))
    for key in parts:
        if key not in _TOP:
            remedy = f"Put it under [site]: {key} = …" if key in SITE else near(key, _TOP)
            reader.add_problem((key,), "This key is not known at the top level.", remedy)
    values = reader.table(("site",), parts.get("site", {}), SITE)
    access = StatsAccess(**reader.table(("stats",), parts.get("stats", {}), STATS))
    until_then, described = values.pop("until_then", ""), catalogue
    site = replace(Site(stats=access, report=read_delivery(reader, parts.get("report", {}))), **values)
    site = replace(site, **reader.table(("paths",), parts.get("paths", {}), PATHS))
    site = rollout.fitting(reader, with_stores(reader, site, folder, environ), folder)
    if "hosts" in parts:

        def load_host(source: object) -> Site:
            if isinstance(source, Mapping):
                return _site(ConfigReader(), source, folder, catalogue, environ)
            return load(str(source), catalogue=catalogue, environ=environ)

        site = with_hosts(reader, site, parts["hosts"], folder, load_host)
    if site.record_days < site.choice_days:
        what = f"A record is kept for {site.record_days} days, but the choice it proves counts for {site.choice_days}."
        reader.add_problem(("site", "record_days"), what, "Keep records at least as long as choices.")
    _fits_caching(reader, site)
    purposes = _purposes(reader, parts.get("purposes", {}), site.languages[0])
    given = parts.get("services", [])
    if not isinstance(given, list | tuple):
        what = f"This is {checks.kind(given)}, not a list of tables."
        reader.add_problem(("services",), what, "Write [[services]] above each.")
        given = []
    if catalogue is None:  # loaded only if needed: a site without services saves the time
        catalogue = load_catalogue() if given or site.catalogue or len(purposes) > len(PURPOSES) else {}
    site = _definitions(reader, site, folder, catalogue)
    catalogue = joined(site.definitions, catalogue)
    for name in purposes:
        if name not in PURPOSES and (name in catalogue or name == UNKNOWN_SERVICE):
            reader.add_problem(("purposes", name), f"{name!r} is the id of a service.", "Give the purpose another id.")
    services = _services(reader, given, purposes, catalogue, site.languages[0])
    texts = _texts(reader, ("texts",), parts["texts"]) if "texts" in parts else site.texts
    wordings = read_wordings(reader, site, parts["wordings"], _texts) if "wordings" in parts else site.wordings
    look.check_look(reader, site)
    links = look.read_links(reader, parts.get("links", []), site.languages[0])
    own_theme = look.read_theme(reader, parts.get("theme", {}))
    signals = VendorSignals(**reader.table(("signals",), parts.get("signals", {}), SIGNALS))
    changes = _dated(reader, "changes", CHANGE, parts.get("changes", []), site.languages[0])
    notes = _dated(reader, "annotations", ANNOTATION, parts.get("annotations", []), site.languages[0])

    def load_before(file: str) -> Site:
        inner, tables = read_file(file)
        return _site(inner, rollout.as_it_was(inner, tables), os.path.dirname(file), described, environ)

    file = os.path.abspath(os.path.join(folder, until_then)) if until_then else ""
    before = rollout.asked_before(reader, site, file, load_before)
    reader.finish()
    return replace(
        site,
        before=before,
        purposes=tuple(purposes.values()),
        services=services,
        texts=texts,
        wordings=wordings,
        theme=own_theme,
        links=links,
        signals=signals,
        changes=tuple(Change(day, text) for day, text in reversed(changes)),
        annotations=tuple(Annotation(day, text) for day, text in notes),
        learning=not given,
    )


def _definitions(reader: ConfigReader, site: Site, folder: str, catalogue: Mapping[str, Service]) -> Site:
    """Return the site with the entries of the owner's folder; record every mistake in them."""
    if not site.catalogue:
        return site
    place = os.path.abspath(os.path.join(folder, site.catalogue))
    try:
        found = read_folder(FilePath(place), site.catalogue, beside=catalogue)
    except CatalogueError as error:
        reader.add_problems(("site", "catalogue"), error.problems)
        found = ()
    return replace(site, catalogue=place, definitions=found)


def _fits_caching(reader: ConfigReader, site: Site) -> None:
    """Refuse settings that need a different page after a choice if caches serve one page to everybody."""
    if site.caching != "shared":
        return
    if site.release == "reload":
        what = 'With caching = "shared" a reload returns the same page, still without the held elements.'
        reader.add_problem(("site", "release"), what, 'Write release = "in_place", or caching = "class".')
    if site.csp != "off":
        what = 'With caching = "shared" the policy of a page cannot follow the choice, so nothing could be released.'
        reader.add_problem(("site", "csp"), what, 'Write csp = "off", or caching = "class".')


def _dated(
    reader: ConfigReader, name: str, known: Mapping[str, checks.Check], given: object, language: str
) -> list[tuple[int, Mapping[str, str]]]:
    """Return the days and texts of a list of tables, earliest first; a plain text is in ``language``."""
    if not isinstance(given, list | tuple):
        what = f"This is {checks.kind(given)}, not a list of tables."
        reader.add_problem((name,), what, f"Write [[{name}]] above each of them.")
        return []
    found = []
    for number, table in enumerate(given):
        values = reader.table((name, number), table, {**known, "text": checks.by_language(language)})
        for key in known:
            if isinstance(table, Mapping) and key not in table:
                reader.add_problem((name, number), f"The {name[:-1]} has no {key}.", f"Add {key} = …")
        if len(values) == len(known):
            found.append((values["date"], values["text"]))
    return sorted(found, key=itemgetter(0))


def _purposes(reader: ConfigReader, given: object, language: str) -> dict[str, Purpose]:
    """Return the default purposes and the owner's own, by id."""
    found = {name: Purpose(name, required=name == NECESSARY) for name in PURPOSES}
    keys = {key: checks.by_language(language) for key in PURPOSE}
    for name, table in reader.pairs(("purposes",), given):
        path: Path = ("purposes", name)
        own = name not in found
        if own and not ID.fullmatch(name):
            reader.add_problem(path, f"{name!r} is not an id.", "Use lower-case letters, digits and single hyphens.")
        values = reader.table(path, table, keys)
        for key, tag, text in ((key, tag, text) for key, texts in values.items() for tag, text in texts.items()):
            look.check_links(reader, (*path, key, tag), text, f"purpose.{name}.{key}")
        if own and isinstance(table, Mapping) and "label" not in table:
            what = "This purpose of your own has no label for visitors to read."
            reader.add_problem(path, what, f'Add label.{language} = "…"{perhaps(name, PURPOSES)}.')
        found[name] = replace(found.get(name, Purpose(name)), **values)
    return found


def _services(
    reader: ConfigReader,
    given: Iterable[object],
    purposes: Mapping[str, Purpose],
    catalogue: Mapping[str, Service],
    language: str,
) -> tuple[Service, ...]:
    """Return the declared services; a plain description is in ``language``."""
    keys = {
        **SERVICE,
        "purposes": checks.texts(_purpose_of(purposes), least=1),
        "description": checks.by_language(language),
    }
    found: dict[str, int] = {}
    services: list[Service] = []
    for number, table in enumerate(given):
        path: Path = ("services", number)
        if not isinstance(table, Mapping):
            reader.add_problem(
                path, f"This is {checks.kind(table)}, not a table.", "Write [[services]] and the keys below it."
            )
            continue
        table = dict(table)
        if "tracker" in table:
            remedy = "Leave it out; only the catalogue defines trackers."
            reader.add_problem((*path, "tracker"), "This cannot be set.", remedy)
            del table["tracker"]
        values = reader.table(path, table, keys)
        service = _used(reader, path, table, values, catalogue) if "use" in table else None
        if "use" not in table:
            service = _own(reader, path, table, values, catalogue, purposes)
        if service is None:
            continue
        if service.id in found:
            what = f"{service.id!r} is already declared, by services[{found[service.id]}]."
            reader.add_problem(path, what, "Merge the two, or give one of them another id.")
        found.setdefault(service.id, number)
        _check_basis(reader, path, service, table)
        if service.necessary:
            _check_trackers(reader, path, table, catalogue)
        services.append(service)
    return tuple(services)


def _used(
    reader: ConfigReader,
    path: Path,
    table: Mapping[str, object],
    values: dict[str, Any],
    catalogue: Mapping[str, Service],
) -> Service | None:
    """Return a service of the catalogue with the owner's changes."""
    name = values.pop("use", None)
    if not isinstance(name, str):
        return None
    base = catalogue.get(name)
    if base is None:
        by_name = {service.name.casefold(): id_ for id_, service in catalogue.items()}
        same = by_name.get(name.casefold())
        own = "To describe a service of your own, write id instead of use."
        remedy = f"Did you mean {same!r}?" if same else near(name, catalogue, own)
        reader.add_problem((*path, "use"), f"The catalogue has no service {name!r}.", remedy)
        return None
    if table.get("id", name) != name:
        reader.add_problem((*path, "id"), "A service of the catalogue keeps its id.", "Leave the id out.")
    values["id"] = base.id
    for sign in _SIGNS:
        added = values.get(sign, ())
        if isinstance(added, tuple):
            values[sign] = tuple(dict.fromkeys((*getattr(base, sign), *added)))
    if NECESSARY not in values.get("purposes", (NECESSARY,)):
        # The catalogue's basis is for a necessary service; if the owner wants it held, its basis is consent.
        values.setdefault("lawful_basis", "consent")
    return replace(base, **values)


def _own(
    reader: ConfigReader,
    path: Path,
    table: Mapping[str, object],
    values: dict[str, Any],
    catalogue: Mapping[str, Service],
    purposes: Mapping[str, Purpose],
) -> Service | None:
    """Return a service that the owner defines completely."""
    for key in ("id", "vendor", "purposes"):
        if key not in table:
            remedy = f"Add {key} = …, or take a service from the catalogue with use = …."
            reader.add_problem(path, f"The service has no {key}.", remedy)
    name = values.get("id")
    if isinstance(name, str):
        if name in catalogue:
            remedy = f'Write use = "{name}" instead of id.'
            reader.add_problem((*path, "id"), f"{name!r} is a service of the catalogue.", remedy)
        elif name in purposes or name == UNKNOWN_SERVICE:
            reader.add_problem((*path, "id"), f"{name!r} is a reserved id.", "Give the service another id.")
    if not {"id", "vendor", "purposes"} <= values.keys():
        return None
    plain = str(name).replace("-", " ").capitalize()
    return replace(Service(id="", name=plain, vendor="", purposes=()), **values)


def _check_basis(reader: ConfigReader, path: Path, service: Service, table: Mapping[str, object]) -> None:
    """Record purposes and lawful bases that contradict each other."""
    if NECESSARY in service.purposes:
        at: Path = (*path, "purposes") if "purposes" in table else path
        if service.tracker:
            what = f"{service.name} is a known tracker, which can never be necessary."
            reader.add_problem(at, what, "Give it the purposes it serves, or leave its purposes out.")
        elif len(service.purposes) > 1:
            what = "A necessary service cannot have a second purpose."
            reader.add_problem(at, what, "Leave out either necessary or the others.")
    if service.lawful_basis != "consent" and not service.necessary:
        at = (*path, "lawful_basis") if "lawful_basis" in table else path
        what = f"{service.name} is held until the visitor opts in, so it rests on consent."
        reader.add_problem(at, what, 'Write lawful_basis = "consent", or leave it out.')


def _check_trackers(
    reader: ConfigReader, path: Path, table: Mapping[str, object], catalogue: Mapping[str, Service]
) -> None:
    """Record signatures of a necessary service that also match a known tracker."""
    for sign, meet in (
        ("hosts", service_rules.hosts_meet),
        ("paths", service_rules.paths_meet),
        ("inline", service_rules.signatures_meet),
    ):
        written = table.get(sign, ())
        for number, item in enumerate(written if isinstance(written, list | tuple) else ()):
            if not isinstance(item, str):
                continue
            marks = host_rules_near(catalogue, item) if sign == "hosts" else marks_of(catalogue, sign)
            met = (id_ for mark, id_ in marks if meet(item, mark) and is_tracker(catalogue, id_))
            if (id_ := next(met, None)) is not None:
                hit = catalogue[id_]
                what = f"{item!r} also matches {hit.name}, a known tracker, which can never be necessary."
                remedy = f'Declare that with use = "{hit.id}", and write what matches only the necessary service.'
                reader.add_problem((*path, sign, number), what, remedy)


# -- the owner's texts


def _texts(reader: ConfigReader, place: Path, given: object) -> Mapping[str, Mapping[str, str]]:
    """Return the texts that replace others, by canonical language tag and key; ``place`` is the path of their table."""
    from consent_mw.notice import wording  # loaded only if needed: a site without its own texts saves the time

    found: dict[str, Mapping[str, str]] = {}
    for tag, table in reader.pairs(place, given):
        lang = canonical(tag)
        if not service_rules.LANGUAGE.fullmatch(tag):
            reader.add_problem((*place, tag), f"{tag!r} is not a language tag.", "Write en, de, pt-BR and the like.")
            continue
        if lang in found:
            reader.add_problem((*place, tag), f"The language {lang!r} occurs twice.", "Merge the two tables.")
        known = wording.every_text(lang)
        own: dict[str, str] = {}
        for path, text in _leaves(reader, (*place, tag), table):
            key = ".".join(map(str, path[len(place) + 1 :]))
            if key not in known:
                reader.add_problem(
                    path, "There is no such text.", near(key, known, "docs/languages.md explains the keys.")
                )
            elif isinstance(checked := reader.value(path, text, checks.text), str):
                _check_places(reader, path, checked, wording.places(known[key]), wording.may_omit(lang, key))
                look.check_links(reader, path, checked, key)
                own[key] = checked
        found[lang] = MappingProxyType(own)
    return MappingProxyType(found)


def _leaves(reader: ConfigReader, path: Path, table: object) -> Iterator[tuple[Path, object]]:
    """Yield the texts in a table with their paths; ``banner.title`` without quotes makes a table in it."""
    for key, value in reader.pairs(path, table):
        if isinstance(value, Mapping):
            yield from _leaves(reader, (*path, key), value)
        else:
            yield (*path, key), value


def _check_places(reader: ConfigReader, path: Path, text: str, wanted: frozenset[str], spare: frozenset[str]) -> None:
    """Record placeholders that the text lacks, and those that nothing fills in."""
    own = frozenset(re.findall(r"\{(\w+)\}", text))
    if not text.strip():
        reader.add_problem(path, "The text is empty.", "Write a text, or leave the key out for the built-in one.")
    for name in sorted(wanted - own - spare):
        reader.add_problem(path, f"{{{name}}} is missing.", f"Put {{{name}}} where its value belongs in the text.")
    for name in sorted(own - wanted):
        remedy = near(name, wanted) if wanted else "Leave it out: this text has no placeholders."
        reader.add_problem(path, f"{{{name}}} is not a placeholder of this text.", remedy)


def _purpose_of(purposes: Iterable[str]) -> checks.Check:
    def check(value: object) -> object:
        if checks.text(value) not in purposes:
            remedy = "To add a purpose, write [purposes.ID] with a label."
            raise checks.ValueProblem(f"There is no purpose {value!r}.", remedy, near=(str(value), purposes))
        return value

    return check
