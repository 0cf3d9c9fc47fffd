"""``consent-mw check``: checks the configuration, and lists missing translations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from consent_mw.cli import FOUND
from consent_mw.cli import Owner

if TYPE_CHECKING:
    from consent_mw.core.model import Site

#: Most disputed services of a kind that are listed in a line.
_NAMED = 3


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.pass_obj
def check(owner: Owner, as_json: bool) -> int:
    """
    Check the configuration, and list texts that are not translated into every language of the site.

    Also lists the services that run without consent although it is disputed
    whether they are necessary. Exits with 1 if texts are missing (visitors
    see them in another language), and with 2 if the configuration has mistakes.
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
        click.echo(f"OK: {_counts(site)}; no text is missing in any language.")
        _tell_disputed(disputed)
        return 0
    click.echo(f"The settings are valid: {_counts(site)}. These texts are missing, and shown in another language:")
    for tag, keys in missing.items():
        click.echo("")
        _list(tag, keys)
    click.echo("")
    _tell_disputed(disputed)
    return FOUND


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
        # One line instead of two hundred.
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
