"""``consent-mw check``: everything that can go wrong with an installation, each with its remedy."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

import click

from consent_mw.cli import FOUND
from consent_mw.cli import Owner
from consent_mw.cli import clean

if TYPE_CHECKING:
    from consent_mw.audit.installation import Advice
    from consent_mw.audit.production import CheckedLine
    from consent_mw.audit.targets import AuditTarget
    from consent_mw.core.model import Site

#: The most disputed services of one kind that are listed in a line.
_NAMED = 3


@click.command()
@click.argument("target", required=False)
@click.option("--path", default="", metavar="PATH", help="The page of TARGET to look at; default: its start page.")
@click.option("--links", is_flag=True, help="Follow the notice's links to other hosts, too.")
@click.option(
    "--production",
    is_flag=True,
    help="Fail for notes, too, and go through the check-list of docs/production.md: for a site that visitors use.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.pass_obj
def check(owner: Owner, target: str | None, path: str, links: bool, production: bool, as_json: bool) -> int:
    """
    Check an installation: configuration, keys, store, translations, and the site itself.

    TARGET is the site's address (https://example.org/), or its application as
    gunicorn and uvicorn name it (module:attribute): then also the order of
    middleware, proxies and caches, the notice's links, and whether a refusal
    arrives. Nothing is granted.

    Exits with 0 if nothing is wrong (notes are choices of yours), with 1 if
    something is or texts are missing in a language, and with 2 if the
    configuration has mistakes.
    """
    from consent_mw.audit.installation import in_order
    from consent_mw.audit.targets import AppTarget
    from consent_mw.catalogue.definitions import joined
    from consent_mw.catalogue.disputed import running
    from consent_mw.notice.wording import missing_texts

    with _opened(target) as opened:
        site = owner.site_for(opened.app) if isinstance(opened, AppTarget) else owner.site
        around = _about_target(opened, _page(target or "", path), site, links=links)
        found = [*_about_all(site), *around]
    lines: list[CheckedLine] = []
    if production:
        found, lines = _in_production(site, found, target or "")
    advice = in_order(found)
    missing = missing_texts(site)
    disputed = running(joined(site.definitions), site.services)
    is_wrong = bool(missing) or any(production or one.severity != "note" for one in advice)
    if as_json:
        told = {
            "missing": {tag: list(keys) for tag, keys in missing.items()},
            "disputed": {name: list(ids) for name, ids in disputed.items()},
            "advice": [asdict(one) for one in advice],
            **({"production": [{**asdict(one), "state": one.state.value} for one in lines]} if production else {}),
        }
        click.echo(json.dumps(told, indent=2))
        return FOUND if is_wrong else 0
    if missing:
        click.echo(f"The settings are valid: {_counts(site)}. These texts are missing, and shown in another language:")
        for tag, keys in missing.items():
            click.echo("")
            _list(tag, keys)
        click.echo("")
    elif is_wrong:
        click.echo(f"The settings are valid: {_counts(site)}; no text is missing in any language.")
    else:
        click.echo(f"OK: {_counts(site)}; no text is missing in any language.")
    _tell_advice(advice)
    _tell_disputed(disputed)
    _tell_lines(lines)
    return FOUND if is_wrong else 0


def _about_all(site: Site) -> Iterator[Advice]:
    """Yield the advice on a site, and on the separate sites of its hosts."""
    from consent_mw.audit import installation

    for one in (site, *(inner for _, inner in site.hosts)):
        yield from installation.about_settings(one)
        yield from installation.about_keys(one, os.environ)
        yield from installation.about_records(one, time.time())


def _in_production(site: Site, found: list[Advice], target: str) -> tuple[list[Advice], list[CheckedLine]]:
    """Add the advice for a site in production, and return it with the lines of the check-list."""
    from consent_mw.audit.production import about_production
    from consent_mw.audit.production import check_list
    from consent_mw.audit.production import installation_of

    address = target if target.startswith(("http://", "https://")) else ""
    seen = [installation_of(one, os.environ, time.time(), address) for one in (site, *(one for _, one in site.hosts))]
    found = [*found, *(advice for one in seen for advice in about_production(one))]
    return found, check_list(seen[0], found)


@contextmanager
def _opened(target: str | None) -> Iterator[AuditTarget | None]:
    """Open the site, if there is a target."""
    from consent_mw.audit.targets import Bounds
    from consent_mw.audit.targets import open_target

    found = open_target(target, Bounds()) if target else None
    try:
        yield found
    finally:
        if found is not None:
            found.close()


def _page(target: str, path: str) -> str:
    """Return the path of the page to examine."""
    if path and not path.startswith("/"):
        raise click.BadParameter(f"{path!r} does not begin with a slash.", param_hint="'--path'")
    if not path and target.startswith(("http://", "https://")):
        path = urlunsplit(urlsplit(target)._replace(scheme="", netloc="", fragment=""))
    return path or "/"


def _about_target(target: AuditTarget | None, path: str, site: Site, *, links: bool) -> Iterator[Advice]:
    """Yield the advice on a running site; without a target, only on links to other hosts."""
    from consent_mw.audit.installation import about_layers
    from consent_mw.audit.installed_site import about_links
    from consent_mw.audit.installed_site import about_site
    from consent_mw.audit.pages import Reader
    from consent_mw.audit.targets import AppTarget

    if target is None:
        yield from about_links(site, others=links)
        return
    if isinstance(target, AppTarget):
        yield from about_layers(target.app, site)
    yield from about_site(target, Reader(site), path, others=links)


def _tell_advice(advice: list[Advice]) -> None:
    colours = {"error": "red", "warning": "yellow"}
    for one in advice:
        head = click.style(one.severity.upper(), fg=colours.get(one.severity), bold=True)
        click.echo(f"\n{head} {clean(one.what)}  ({one.id})\n  {clean(one.remedy)}")
    if advice:
        click.echo("")


def _tell_lines(lines: list[CheckedLine]) -> None:
    """Print the check-list for production, if it was gone through."""
    if lines:
        click.echo("\nThe check-list of docs/production.md:")
    colours = {"right": "green", "wrong": "red"}
    for number, one in enumerate(lines, 1):
        state = click.style(f"{one.state.value:5}", fg=colours.get(one.state.value), bold=True)
        click.echo(f"\n{number:2}  {state}  {one.subject}")
        for text in filter(None, (one.seen, one.remedy)):
            click.echo(f"           {clean(text)}")


def _tell_disputed(disputed: Mapping[str, tuple[str, ...]]) -> None:
    """List the services that run without consent although that is disputed, and how to hold them."""
    if not disputed:
        click.echo("No service whose necessity is disputed runs without consent.")
        return
    click.echo("These services run without consent if a page contains them. Whether they are necessary is disputed:")
    for name, ids in disputed.items():
        more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
        click.echo(f"  {name}: {', '.join(ids[:_NAMED])}{more}")
    click.echo("To hold one, declare it with a purpose, as docs/catalogue.md describes. --json lists all of them.")


def _list(tag: str, keys: tuple[str, ...]) -> None:
    from consent_mw.notice.wording import sentences

    lacking = set(keys)
    built_in = sentences(tag)
    if lacking.issuperset(built_in):
        # Print one line instead of two hundred.
        click.echo(f"[{tag}] has no texts, so it is not offered; write them under [texts.{tag}]")
        keys = tuple(key for key in keys if key not in built_in)
    else:
        click.echo(f"[{tag}] {len(keys)} missing")
    for key in keys:
        setting = key if key.startswith(("purposes.", "services.")) else f'[texts.{tag}] "{key}"'
        click.echo(f"  {setting}")


def _counts(site: Site) -> str:
    services = f"{len(site.services)} services" if len(site.services) != 1 else "1 service"
    languages = f"{len(site.languages)} languages" if len(site.languages) != 1 else "1 language"
    return f"{services if not site.learning else 'services learned from the pages'}, {languages}"
