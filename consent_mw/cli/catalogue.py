"""``consent-mw catalogue``: the known services, and an owner's own entries."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from consent_mw.cli import FOUND
from consent_mw.cli import Owner
from consent_mw.cli import Unable
from consent_mw.cli import clean
from consent_mw.cli.output import aside
from consent_mw.cli.output import count
from consent_mw.cli.output import print_json
from consent_mw.cli.output import title

if TYPE_CHECKING:
    from consent_mw.core.model import Service
    from consent_mw.errors import Problem
    from consent_mw.html.match import Matcher

#: A URL in the search text: with a scheme, or protocol-relative in quotes.
_ADDRESS = re.compile(r"https?://[^\s\"'<>()]+|(?<=[\"'])//[^\s\"'<>()]+", re.IGNORECASE)
#: A host without a scheme, optionally with a path.
_BARE_HOST = re.compile(r"(?://)?(?:[a-z0-9-]+\.)+[a-z]{2,}(?:[:/?]\S*)?", re.IGNORECASE)
#: The fields that `show` prints, in order.
_FACTS = [
    "name",
    "vendor",
    "kind",
    "purposes",
    "tracker",
    "embed",
    "manager",
    "country",
    "safeguard",
    "lawful_basis",
    "policy",
    "opt_out",
    "retention_days",
    "hosts",
    "paths",
    "inline",
    "elements",
    "places",
    "cookies",
    "cookie_days",
    "storage",
    "databases",
    "queue",
    "signals",
    "waits",
    "description",
]

_ENTRY = """\
# A catalogue entry. Put it in a .toml file, in the folder that consent.toml names:
#   [site]
#   catalogue = "services"
# Then run: consent-mw catalogue check services
{replaces}
[[services]]
id = "{id}"
name = "{name}"  # as visitors know it
vendor = "Vendor Ltd"  # the company behind it
country = "US"  # where the data goes: ISO 3166-1 alpha-2
# One of the kinds that consent-mw catalogue list --kind takes.
kind = "web-analytics"
# From: necessary, preferences, analytics, marketing, embeds. A service that is only necessary is never held.
purposes = ["analytics"]
tracker = true  # it can never be declared necessary
# embed = true  # its frames show visible content
# manager = true  # it loads other tags

# How to recognise it in a page; at least one of these four.
hosts = ["{id}.example"]  # includes subdomains; or example.com/path, or example.*
# paths = ["/{id}.js"]  # on any host, including your own
# inline = ["{function}("]  # code in a script
# elements = ["widget-{id}[key]"]  # markup that a library turns into requests
# Where a script places its embed: visitors see a panel there that offers to load it.
# places = [".{id}-widget", "script[src*={id}.example]", "script: {function}.show("]

# What it stores in the browser. * matches the part of a name that varies.
# cookies = ["_{function}", "_{function}_*"]
# cookie_days = {{ _{function} = 390 }}  # 0 for the session
# storage = ["{function}_id"]  # localStorage and sessionStorage
# databases = ["{function}-db"]  # IndexedDB
# queue = ["{function}()"]  # globals that its snippet defines: an array as _paq[], a function as fbq()

policy = "https://{id}.example/privacy"
# opt_out = "https://{id}.example/opt-out"
# safeguard = "scc"  # adequacy, scc, dpf or bcr, for data that leaves the EU
# retention_days = 390
source = "general knowledge"  # or the https address of the vendor's documentation
description.en = "Counts visits to this site."
# description.de = "Zählt Besuche auf dieser Seite."
# The code that the vendor tells owners to paste, with sample ids.
snippet = '''<script async src="https://{id}.example/tag.js"></script>'''
"""


@click.group()
def catalogue() -> None:
    """Show and search the known services; check your own entries."""


def _known(owner: Owner) -> Mapping[str, Service]:
    """Return every service that the site knows: the built-in ones, and those in the owner's folder."""
    from consent_mw.catalogue.definitions import joined
    from consent_mw.core.model import UNKNOWN_SERVICE

    definitions = owner.site.definitions
    return {id_: service for id_, service in joined(definitions).items() if id_ != UNKNOWN_SERVICE}


@catalogue.command("list")
@click.option("--kind", metavar="KIND", default="", help="Only services of this kind, such as web-analytics.")
@click.option("--purpose", metavar="PURPOSE", default="", help="Only services with this purpose, such as marketing.")
@click.option("--country", metavar="CC", default="", help="Only services that send data to this country, such as US.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.pass_obj
def list_(owner: Owner, kind: str, purpose: str, country: str, as_json: bool) -> int:
    """List the services, by kind, purpose and country."""
    services = sorted(_known(owner).values(), key=lambda service: service.id)
    choices = {
        "kind": (kind, sorted({service.kind for service in services} - {""})),
        "purpose": (purpose, sorted({one for service in services for one in service.purposes})),
        "country": (country.upper(), sorted({service.country for service in services} - {""})),
    }
    for option, (given, values) in choices.items():
        if given and given not in values:
            raise click.UsageError(f"There is no service with the {option} {given!r}. Known: {', '.join(values)}.")
    found = [
        service
        for service in services
        if kind in ("", service.kind)
        and (not purpose or purpose in service.purposes)
        and country.upper() in ("", service.country)
    ]
    if as_json:
        print_json([_row(service) for service in found])
        return 0
    _table(
        ("ID", "NAME", "VENDOR", "KIND", "PURPOSES", "COUNTRY"),
        [(one.id, one.name, one.vendor, one.kind, ", ".join(one.purposes), one.country) for one in found],
    )
    aside(f"{count(len(found), 'service')}.")
    return 0


@catalogue.command()
@click.argument("id_", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.pass_obj
def show(owner: Owner, id_: str, as_json: bool) -> int:
    """Show all facts about the service ID, with their source."""
    known = _known(owner)
    service = known.get(id_)
    if service is None:
        raise Unable(_no_service(id_, known))
    file, entry = _written(owner, id_)
    if as_json:
        values = {key: getattr(service, key) for key in _FACTS}
        values = {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}
        print_json({"id": id_, **values, "file": file, "source": entry.get("source", "")})
        return 0
    title(f"{clean(service.name)} ({service.id})")
    width = max(map(len, _FACTS)) + 2
    for key in _FACTS[1:]:
        value = getattr(service, key)
        lines = list(_lines(key, value))
        for number, line in enumerate(lines):
            click.echo(f"  {(key.replace('_', ' ') if not number else '').ljust(width)}{clean(line)}")
    click.echo(f"  {'source'.ljust(width)}{clean(str(entry.get('source') or 'not stated'))}")
    click.echo(f"  {'file'.ljust(width)}{clean(file)}")
    return 0


@catalogue.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.pass_obj
def search(owner: Owner, words: tuple[str, ...], as_json: bool) -> int:
    """
    Find the services that match WORDS: a name, a vendor, a host, a cookie, code, or a URL.

    Quote code for the shell. Exits with 1 if nothing is found.
    """
    known = _known(owner)
    text = " ".join(words).strip()
    if not text:
        raise click.UsageError("There is nothing to search for.")
    found = _search(known, text)
    if as_json:
        print_json([{**_row(known[id_]), "found_by": reason} for id_, reason in found.items()])
    elif found:
        rows: list[tuple[str, ...]] = [
            (id_, known[id_].name, known[id_].vendor, reason) for id_, reason in found.items()
        ]
        _table(("ID", "NAME", "VENDOR", "FOUND BY"), rows)
    else:
        click.echo("No service matches. consent-mw catalogue new ID prints an entry to fill in.")
    return 0 if found else FOUND


@catalogue.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.pass_obj
def check(owner: Owner, folder: Path | None, as_json: bool) -> int:
    """
    Check the entries in FOLDER, or the built-in ones and those in the site's own folder.

    Reports every mistake with its place and remedy: wrong fields, duplicate ids,
    signatures that two services share. Exits with 1 if there is one.
    """
    from consent_mw import catalogue as built_in
    from consent_mw.catalogue.definitions import built_in_texts
    from consent_mw.catalogue.definitions import read_folder
    from consent_mw.errors import CatalogueError

    problems: list[Problem] = []
    number = 0
    if folder is None:
        try:
            number = len(built_in.parse(built_in_texts()))
        except CatalogueError as error:
            problems += error.problems
        own = owner.site.catalogue if not problems else ""
        folder = Path(own) if own else None
    if folder is not None:
        if not folder.is_dir():
            raise Unable(f"There is no folder {folder}: name the folder with your entries.")
        try:
            number += len(read_folder(folder, str(folder)))
        except CatalogueError as error:
            problems += error.problems
    if as_json:
        rows = [{"where": one.where, "what": one.what, "remedy": one.remedy} for one in problems]
        print_json({"services": number, "problems": rows})
    elif problems:
        for problem in problems:
            click.echo(clean(str(problem)))
        click.echo(f"{count(len(problems), 'mistake')}.")
    else:
        click.echo(f"OK: {count(number, 'service')}.")
    return FOUND if problems else 0


@catalogue.command()
@click.argument("id_", metavar="ID")
@click.pass_obj
def new(owner: Owner, id_: str) -> int:
    """Print an entry for the service ID, with a comment on each field, to fill in."""
    from consent_mw.html.service_rules import ID

    if not ID.fullmatch(id_):
        raise click.UsageError(f"{id_!r} is not an id: use lower-case letters, digits and single hyphens.")
    replaces = ""
    if known := _known(owner).get(id_):
        replaces = f"# It replaces the entry of {clean(known.name)}: consent-mw catalogue show {id_}\n"
    function = re.sub(r"\W|^(?=\d)", "_", id_)
    name = id_.replace("-", " ").capitalize()
    click.echo(_ENTRY.format(id=id_, name=name, function=function, replaces=replaces), nl=False)
    return 0


def _search(known: Mapping[str, Service], text: str) -> dict[str, str]:
    """Return the ids of services that match a text, with the reason, best matches first."""
    from consent_mw.html.match import Matcher
    from consent_mw.html.urls import Url

    matcher = Matcher(known.values())
    page = Url("https", "site.invalid", "/")
    found: dict[str, str] = {}

    def add(ids: Iterable[str], reason: str) -> None:
        for id_ in ids:
            found.setdefault(id_, reason)

    add([text] if text in known else (), "id")
    add(_addresses(matcher, text, page), "address")
    add(matcher.cookie(text), "cookie")
    add(matcher.code(text.encode("utf-8", "replace"), page), "code")
    if text.startswith("/"):
        add(matcher.path(text.encode("utf-8", "replace")), "path")
    words = text.casefold().split()
    fields: tuple[tuple[str, Callable[[Service], Iterable[str]]], ...] = (
        ("name", lambda service: (service.name, service.id)),
        ("vendor", lambda service: (service.vendor,)),
        ("host", lambda service: service.hosts),
        ("cookie", lambda service: service.cookies),
        ("storage", lambda service: (*service.storage, *service.databases)),
        ("code", lambda service: (*service.inline, *service.queue, *service.elements, *service.places)),
        ("path", lambda service: service.paths),
    )
    for reason, values in fields:
        for service in known.values():
            if any(all(word in value.casefold() for word in words) for value in values(service)):
                add([service.id], reason)
    return found


def _addresses(matcher: Matcher, text: str, page: object) -> Iterator[str]:
    """Yield the services that the URLs in a text belong to."""
    from consent_mw.html.urls import Url

    base = page if isinstance(page, Url) else None
    given = _ADDRESS.findall(text)
    if not given and _BARE_HOST.fullmatch(text):
        given = ["https://" + text.removeprefix("//")]
    for address in given:
        yield from matcher.url(address, base) if base else ()


def _written(owner: Owner, id_: str) -> tuple[str, Mapping[str, object]]:
    """Return the file that defines a service, and its entry there."""
    from consent_mw.catalogue.definitions import built_in_texts
    from consent_mw.catalogue.definitions import texts_of

    folder = owner.site.catalogue
    texts = {**built_in_texts(), **(texts_of(Path(folder), folder) if folder else {})}
    # The owner's files come last, and the last definition applies. Only files that contain the id are parsed.
    for file, text in reversed(texts.items()):
        if id_ in text:
            for entry in tomllib.loads(text).get("services", ()):
                if entry.get("id") == id_:
                    return file, entry
    return "", {}


def _lines(key: str, value: object) -> Iterator[str]:
    """Yield the printed lines of a fact; none if it is empty."""
    if isinstance(value, Mapping):
        yield from (f"{name}: {_days(item) if key == 'cookie_days' else item}" for name, item in value.items())
    elif isinstance(value, tuple):
        yield from map(str, value)
    elif value is True:
        yield "yes"
    elif value:
        yield _days(value) if key == "retention_days" else str(value)


def _days(number: object) -> str:
    return count(number, "day") if isinstance(number, int) and number else "session"


def _no_service(id_: str, known: Mapping[str, Service]) -> str:
    from consent_mw.config.problems import near

    remedy = near(id_, known, "Search for it: consent-mw catalogue search WORDS.")
    return f"The catalogue has no service {id_!r}. {remedy}"


def _row(service: Service) -> dict[str, object]:
    return {
        "id": service.id,
        "name": service.name,
        "vendor": service.vendor,
        "kind": service.kind,
        "purposes": list(service.purposes),
        "country": service.country,
    }


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print rows in columns under a heading; long cells are truncated, so that each row is one line."""
    cut = [tuple(text if len(text) <= 36 else text[:35] + "…" for text in map(clean, row)) for row in rows]
    widths = [max(len(row[column]) for row in (head, *cut)) for column in range(len(head))]
    for number, row in enumerate((head, *cut)):
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        click.echo(line if number else click.style(line, bold=True))
