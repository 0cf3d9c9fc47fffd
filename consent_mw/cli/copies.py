"""The commands that copy a ledger: ``ledger backup``, ``restore``, ``copy`` and ``merge``."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from consent_mw.cli import FOUND
from consent_mw.cli import Owner
from consent_mw.cli import Unable
from consent_mw.cli import clean
from consent_mw.cli.output import aside
from consent_mw.cli.output import count
from consent_mw.cli.output import table
from consent_mw.cli.output import title
from consent_mw.errors import ConsentError

if TYPE_CHECKING:
    from consent_mw.records import Ledger

__all__ = ["backup", "copy", "merge", "own_keys", "restore", "retired"]


def own_keys(owner: Owner, store: Ledger) -> tuple[str, ...]:
    """
    Return the site's keys, after comparing them with the newest seal.

    Raises:
        ConfigError: if there are none.
        Unable: if none of them signed it: this command was started without the keys of the site.
    """
    from consent_mw.proof.signing import is_signed

    last = store.last_seal()
    if last is not None and not is_signed(last, owner.keys):
        raise Unable(
            f"None of these keys signed the newest seal: set {owner.site.keys_env} to the keys of the running site. "
            "Without them an erased record could be written again from a cookie."
        )
    return owner.keys


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))
@click.pass_obj
def backup(owner: Owner, file: str) -> int:
    """
    Copy the records into FILE, a new SQLite file, while the site runs.

    Back up the signing keys too, in a safe place: without them the copy
    proves nothing, and no choice verifies.
    """
    from consent_mw.proof.transfer import backup_file
    from consent_mw.proof.transfer import copy_records
    from consent_mw.records import open_records

    url = owner.site.records
    if url.startswith("sqlite:///"):
        with owner.records():
            backup_file(url.removeprefix("sqlite:///"), file)
    else:
        if os.path.exists(file):
            raise Unable(f"{file} already exists, and a backup overwrites nothing: choose another name.")
        target = open_records(f"sqlite:///{os.path.abspath(file)}", site=owner.site.id)
        try:
            with owner.records() as store:
                copy_records(store, target)
        finally:
            target.close()
        os.chmod(file, 0o600)
    click.echo(
        f"Written to {file}. To check it, run consent-mw ledger verify with records = sqlite:///{os.path.abspath(file)}"
    )
    return 0


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def restore(owner: Owner, file: str, yes: bool) -> int:
    """
    Replace the records with the backup in FILE; stop the site first.

    Records that were erased after the backup are erased again, as far as the
    replaced records can be read. The replaced file is kept as NAME.replaced.
    """
    from consent_mw.proof.erasing import Erased
    from consent_mw.proof.erasing import erase_also
    from consent_mw.proof.erasing import erased_in
    from consent_mw.proof.transfer import backup_file
    from consent_mw.proof.transfer import copy_records
    from consent_mw.records import open_records

    site, url = owner.site, owner.site.records
    if not url.startswith("sqlite:///"):
        source = open_records(f"sqlite:///{os.path.abspath(file)}", site=site.id)
        try:
            with owner.records() as store:
                copied = copy_records(source, store)
        finally:
            source.close()
        click.echo(f"{count(copied.entries + copied.waiting, 'entry', 'entries')} restored.")
        return 0
    path = url.removeprefix("sqlite:///")
    erased = Erased((), frozenset())
    if os.path.exists(path):
        if not yes:
            click.confirm(f"Replace {path}? The site must not be running.", abort=True)
        try:
            with owner.records() as store:
                erased = erased_in(store)
        except ConsentError as error:
            click.echo(f"Erasures since the backup are unknown: {clean(str(error))}", err=True)
    draft = f"{path}.{os.getpid()}.restored"
    backup_file(file, draft)
    made = open_records(f"sqlite:///{draft}", site=site.id)
    try:
        again = 0
        if erased.marks or erased.leaves:
            again = erase_also(made, erased, site=site.id, keys=owner.keys, today=owner.today)
    finally:
        made.close()
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.replace(path + suffix, f"{path}.replaced{suffix}")
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(draft + suffix):
            os.replace(draft + suffix, path + suffix)
    click.echo(f"Restored from {file}; {count(again, 'entry', 'entries')} erased again. Run: consent-mw ledger verify")
    return 0


@click.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.pass_obj
def copy(owner: Owner, source: str, target: str) -> int:
    """
    Copy the records from the store FROM into the empty store TO.

    FROM and TO are URLs as in the setting records. The chain stays the same,
    so receipts stay valid.
    """
    from consent_mw.proof.transfer import copy_records
    from consent_mw.records import open_records

    site = owner.site.id
    if source.startswith("sqlite:///") and not os.path.exists(source.removeprefix("sqlite:///")):
        raise Unable("There are no records at FROM.")
    old = open_records(source, site=site)
    try:
        new = open_records(target, site=site)
        try:
            copied = copy_records(old, new)
        finally:
            new.close()
    finally:
        old.close()
    click.echo(
        f"{count(copied.seals, 'seal')}, {count(copied.entries, 'entry', 'entries')}, {copied.waiting:,} waiting, "
        f"{count(copied.notices, 'notice')}, {count(copied.figures, 'table')} of figures copied."
    )
    return 0


@click.command()
@click.argument("source", metavar="FROM")
@click.option("--retired-keys", metavar="VARIABLE", help="An environment variable with keys that no longer sign.")
@click.pass_obj
def merge(owner: Owner, source: str, retired_keys: str | None) -> int:
    """
    Take the entries of the ledger FROM that the site's own ledger lacks.

    For two ledgers of one site that both took records, such as after a network
    split. FROM is a URL as in the setting records; nothing is changed there.
    What either of them has erased is erased. Both are verified first, and
    merging again changes nothing.
    """
    from consent_mw.proof.merging import NotIntact
    from consent_mw.proof.merging import merge_records
    from consent_mw.records import open_records

    site = owner.site
    file = source.removeprefix("sqlite:///") if source.startswith("sqlite:///") else ""
    if file and not os.path.exists(file):
        raise Unable("There are no records at FROM.")
    own = site.records.removeprefix("sqlite:///")
    if source == site.records or (file and os.path.exists(own) and os.path.samefile(file, own)):
        raise Unable("FROM is the site's own ledger: name the other one.")
    with owner.records() as store:
        keys = (*(retired(owner, retired_keys) if retired_keys else ()), *own_keys(owner, store))
        other = open_records(source, site=site.id)
        try:
            done = merge_records(other, store, site=site.id, keys=keys, today=owner.today, record_days=site.record_days)
        except NotIntact as error:
            click.echo(clean(str(error)), err=True)
            return FOUND
        finally:
            other.close()
    title(f"Merged into the ledger of {site.id}", good=True)
    table(
        [
            ("Taken", f"{done.taken:,}", "only FROM had them; the next seal covers them"),
            ("In both", f"{done.both:,}", ""),
            ("Different", f"{done.different:,}", "the site's own stayed") if done.different else None,
            ("Refused", f"{done.refused:,}", "erased in the site's ledger") if done.refused else None,
            ("Erased", f"{done.erased:,}", "erased in FROM") if done.erased else None,
            ("Expired", f"{done.expired:,}", f"older than {site.record_days} days") if done.expired else None,
            ("Notices", f"{done.notices:,}", "taken") if done.notices else None,
        ]
    )
    aside("Counts and figures are not merged. Keep FROM: receipts that were downloaded there refer to its seals.")
    return 0


def retired(owner: Owner, variable: str) -> tuple[str, ...]:
    """Return the keys in an environment variable."""
    from consent_mw.cookies.keys import load_keys

    if variable not in os.environ:
        raise Unable(f"The environment variable {variable} is not set.")
    return load_keys(replace(owner.site, keys_env=variable), os.environ)
