"""
The commands for signing keys.

A key is rotated in two rounds, so that no machine sees a signature that it cannot verify.

Keys are listed oldest first; the last one signs, and all of them verify. ``add`` inserts a new key before the last, so
that it verifies everywhere before it signs anywhere. Once every machine has it, ``promote`` moves it to the end. Once
everything that the old key signed has expired, ``retire`` removes the old key.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import click

from consent_mw.cli import Owner
from consent_mw.cli import Unable

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The name of one key in 64 begins with a hyphen, and is no option.
_NAME_WITH_HYPHEN = {"ignore_unknown_options": True}


@click.group()
def keys() -> None:
    """List, add, promote and retire signing keys."""


@keys.command("list")
@click.pass_obj
def list_keys(owner: Owner) -> int:
    """List the names of the keys, oldest first; the keys themselves are not shown."""
    known = owner.keys
    for number, (name, key) in enumerate(zip(_names(known), known, strict=True), 1):
        click.echo(f"{number}  {name}  {'signs' if key == known[-1] else 'verifies'}")
    return 0


@keys.command()
@click.pass_obj
def add(owner: Owner) -> int:
    """
    Add a new key that verifies but does not sign yet.

    First round: distribute the new list to every machine, and restart each.
    """
    known = owner.keys
    new = secrets.token_urlsafe(48)
    _keep(owner, (*known[:-1], new, known[-1]))
    click.echo(
        f"Added {_names((new,))[0]}. Once every machine has it, run: consent-mw keys promote {_names((new,))[0]}"
    )
    return 0


@keys.command(context_settings=_NAME_WITH_HYPHEN)
@click.argument("name")
@click.pass_obj
def promote(owner: Owner, name: str) -> int:
    """
    Let the key NAME sign from now on.

    Second round: every machine must already have the key. Distribute the new
    list to every machine, and restart each, in any order.
    """
    known = owner.keys
    key = _named(known, name)
    if key == known[-1]:
        raise Unable(f"{name} already signs.")
    _keep(owner, (*(one for one in known if one != key), key))
    click.echo(f"{name} signs now. Keep the old key while choices that it signed are valid: {_days(owner)}.")
    return 0


@keys.command(context_settings=_NAME_WITH_HYPHEN)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def retire(owner: Owner, name: str, yes: bool) -> int:
    """
    Remove the key NAME from the list.

    Visitors whose choice it signed are asked again. Keep the key somewhere
    safe: old seals and receipts are verified with --retired-keys.
    """
    known = owner.keys
    key = _named(known, name)
    if key == known[-1]:
        raise Unable(f"{name} signs: promote another key first.")
    if not yes:
        click.confirm(
            f"Choices that {name} signed become invalid; after {_days(owner)} there are none. Retire it?", abort=True
        )
    _keep(owner, tuple(one for one in known if one != key))
    click.echo(f"{name} is retired.")
    return 0


def _days(owner: Owner) -> str:
    return f"{owner.site.choice_days} days"


def _names(known: Sequence[str]) -> list[str]:
    from consent_mw.proof.signing import key_name

    return [key_name(key) for key in known]


def _named(known: Sequence[str], name: str) -> str:
    """Return the key with that name."""
    found = [key for key, one in zip(known, _names(known), strict=True) if one == name]
    if not found:
        raise Unable(f"There is no key {name}: consent-mw keys list shows their names.")
    return found[0]


def _keep(owner: Owner, listed: Sequence[str]) -> None:
    """Write the list to the key file, or print it if the keys are in the environment."""
    from consent_mw.cookies.keys import key_file
    from consent_mw.cookies.keys import write_keys

    site = owner.site
    if site.keys_env in os.environ:
        click.echo(f"Set {site.keys_env} to this on every machine, and keep it secret:", err=True)
        click.echo(" ".join(listed))
        return
    file = key_file(site.records.removeprefix("sqlite:///"))
    write_keys(file, listed)
    click.echo(f"Written to {file}; restart the site.", err=True)
