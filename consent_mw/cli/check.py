"""``consent-mw check``: checks the configuration, and lists texts that visitors get in another language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from consent_mw.cli import FOUND
from consent_mw.cli import Owner

if TYPE_CHECKING:
    from consent_mw.core.model import Site

#: How many disputed services of a kind are named in a line.
_NAMED = 3


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.pass_obj
def check(owner: Owner, as_json: bool) -> int:
    """
    Check the configuration, and list what is not written in every language of the site.

    It also says which services run without consent although it is disputed
    whether they are necessary. Exits with 1 where texts are missing: visitors read those in another
    language. Mistakes in the configuration are listed, and exit with 2.
    """
    from consent_mw.catalogue.definitions import joined
    from consent_mw.catalogue.disputed import running
    from consent_mw.notice.wording import missing_texts

    site = owner.site
    missing = missing_texts(site)
    disputed = running(joined(site.definitions), site.services)
    if as_json:
        found = {
            "missing": {tag: list(keys) for tag, keys in missing.items()},
            "disputed": {name: list(ids) for name, ids in disputed.items()},
        }
        click.echo(json.dumps(found, indent=2))
        return FOUND if missing else 0
    if not missing:
        click.echo(f"Fine: {_counts(site)}; every text is there in every language.")
        _tell_disputed(disputed)
        return 0
    click.echo(f"The settings are right: {_counts(site)}. These texts are shown in another language:")
    for tag, keys in missing.items():
        click.echo("")
        _list(tag, keys)
    click.echo("")
    _tell_disputed(disputed)
    return FOUND


def _tell_disputed(disputed: Mapping[str, tuple[str, ...]]) -> None:
    """Name what runs without consent although others would ask, and how to hold it."""
    if not disputed:
        click.echo("None of the services whose necessity is disputed runs without consent.")
        return
    click.echo("These run without consent where a page has them, and whether they are necessary is disputed:")
    for name, ids in disputed.items():
        more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
        click.echo(f"  {name}: {', '.join(ids[:_NAMED])}{more}")
    click.echo("To hold one, declare it with the purpose it needs; docs/catalogue.md says how, and --json names all.")


def _list(tag: str, keys: tuple[str, ...]) -> None:
    from consent_mw.notice.wording import sentences

    lacking = set(keys)
    built_in = sentences(tag)
    if lacking.issuperset(built_in):
        # Two hundred lines would say no more than this one.
        click.echo(f"[{tag}] no text is built in or yours, so it is not offered; write them under [texts.{tag}]")
        keys = tuple(key for key in keys if key not in built_in)
    else:
        click.echo(f"[{tag}] {len(keys)} missing")
    for key in keys:
        setting = key if key.startswith(("purposes.", "services.")) else f'[texts.{tag}] "{key}"'
        click.echo(f"  {setting}")


def _counts(site: Site) -> str:
    services = f"{len(site.services)} services" if len(site.services) != 1 else "1 service"
    languages = f"{len(site.languages)} languages" if len(site.languages) != 1 else "1 language"
    return f"{services if not site.learning else 'services are learned from the pages'}, {languages}"
