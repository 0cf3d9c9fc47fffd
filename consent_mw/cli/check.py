"""``consent-mw check``: checks the configuration, and lists texts that visitors get in another language."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from consent_mw.cli import FOUND
from consent_mw.cli import Owner

if TYPE_CHECKING:
    from consent_mw.core.model import Site


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.pass_obj
def check(owner: Owner, as_json: bool) -> int:
    """
    Check the configuration, and list what is not written in every language of the site.

    Exits with 1 where texts are missing: visitors read those in another
    language. Mistakes in the configuration are listed, and exit with 2.
    """
    from consent_mw.notice.wording import missing_texts

    site = owner.site
    missing = missing_texts(site)
    if as_json:
        click.echo(json.dumps({"missing": {tag: list(keys) for tag, keys in missing.items()}}, indent=2))
        return FOUND if missing else 0
    if not missing:
        click.echo(f"Fine: {_counts(site)}; every text is there in every language.")
        return 0
    click.echo(f"The settings are right: {_counts(site)}. These texts are shown in another language:")
    for tag, keys in missing.items():
        click.echo("")
        _list(tag, keys)
    return FOUND


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
