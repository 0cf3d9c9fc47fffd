"""The commands that copy a ledger: ``ledger backup``, ``restore``, ``copy`` and ``merge``."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from tempfile import TemporaryDirectory
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
    from consent_mw.records import Records

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
                copy_records(store, target, site=owner.site.id, keys=(), today=owner.today)
        finally:
            target.close()
        os.chmod(file, 0o600)
    click.echo(
        f"Written to {file}. To check it, run consent-mw ledger verify with records = sqlite:///{os.path.abspath(file)}"
    )
    return 0


_erased_in = click.option(
    "--erased-in",
    metavar="STORE",
    multiple=True,
    help="Another copy of the ledger, as a file or a URL: what was erased there is left out. Can be repeated.",
)
_retired_keys = click.option(
    "--retired-keys", metavar="VARIABLE", help="An environment variable with keys that no longer sign."
)


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@_erased_in
@_retired_keys
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def restore(owner: Owner, file: str, erased_in: tuple[str, ...], retired_keys: str | None, yes: bool) -> int:
    """
    Replace the records with the backup in FILE; stop the site first.

    What was erased after the backup is left out, as far as the records that
    are replaced can be read, or those that --erased-in names. A replaced
    SQLite file is kept as NAME.replaced. If it is interrupted, run it again.
    """
    from consent_mw.proof.transfer import is_empty
    from consent_mw.records import open_records

    site, url = owner.site, owner.site.records
    erasures = _Erasures(owner, retired(owner, retired_keys) if retired_keys else ())
    for other in erased_in:
        erasures.read(other)
    if not url.startswith("sqlite:///"):
        with closing(open_records(url, site=site.id)) as store:
            erasures.add(store)
            if not (yes or is_empty(store)):
                click.confirm(
                    f"Replace all records of {site.id} in the store? The site must not be running.", abort=True
                )
            with TemporaryDirectory() as folder:
                again = erasures.restore(_copied(file, folder, erasures.owner.site.id), store)
    else:
        again = _restore_file(file, url.removeprefix("sqlite:///"), erasures, yes=yes)
    click.echo(f"Restored from {file}; {count(again, 'entry', 'entries')} erased again. Run: consent-mw ledger verify")
    return 0


def _restore_file(file: str, path: str, erasures: _Erasures, *, yes: bool) -> int:
    """Put a copy of the file in the place of an SQLite file, with the records of other sites that are in that."""
    from consent_mw.proof.transfer import backup_file
    from consent_mw.records import open_records

    readable = False
    if os.path.exists(path):
        if not yes:
            click.confirm(f"Replace {path}? The site must not be running.", abort=True)
        try:
            erasures.read(path)
            readable = True
        except ConsentError as error:
            click.echo(f"Erasures since the backup are unknown: {clean(str(error))}", err=True)
    again = 0
    with TemporaryDirectory(dir=os.path.dirname(os.path.abspath(path))) as folder:
        draft = os.path.join(folder, "draft.db")
        backup_file(path if readable else file, draft)
        if readable or erasures.known:
            with closing(open_records(f"sqlite:///{draft}", site=erasures.owner.site.id)) as made:
                again = erasures.restore(_copied(file, folder, erasures.owner.site.id), made)
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(path + suffix):
                os.replace(path + suffix, f"{path}.replaced{suffix}")
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(draft + suffix):
                os.replace(draft + suffix, path + suffix)
    return again


class _Erasures:
    """The known erasures, and the keys by which erased entries are recognised."""

    def __init__(self, owner: Owner, retired_keys: tuple[str, ...]) -> None:
        from consent_mw.proof.erasing import Erased

        self.owner = owner
        self.known = Erased()
        self.keys: tuple[str, ...] = ()
        self._retired = retired_keys

    def read(self, other: str) -> None:
        """Add what was erased in another store, a file or a URL."""
        from consent_mw.records import open_records

        other = _address(other)
        url = other if "://" in other else f"sqlite:///{os.path.abspath(other)}"
        if url.startswith("sqlite:///") and not os.path.exists(url.removeprefix("sqlite:///")):
            raise Unable(f"There are no records at {clean(other)}.")
        with closing(open_records(url, site=self.owner.site.id)) as store:
            self.add(store)

    def add(self, store: Ledger) -> None:
        """Add what was erased in a store."""
        from consent_mw.proof.erasing import erased_in

        found = erased_in(store)
        if found:
            self.keys = (*self._retired, *own_keys(self.owner, store))
            self.known = self.known.joined(found)

    def restore(self, source: Records, target: Records) -> int:
        """Replace the site's records with those of the source, and return the number of entries that were left out."""
        from consent_mw.proof.transfer import restore_records

        with closing(source):
            site, today = self.owner.site.id, self.owner.today
            return restore_records(source, target, site=site, keys=self.keys, today=today, erased=self.known).erased


def _address(text: str) -> str:
    """Return the address of a store, which may stand in the environment or a file (``env:NAME``, ``file:PATH``)."""
    from consent_mw.config.checks import ValueProblem
    from consent_mw.config.stores import address_of

    try:
        return address_of(text, os.getcwd(), os.environ)
    except ValueProblem as problem:
        raise Unable(f"{problem.what} {problem.remedy}") from None


def _copied(file: str, folder: str, site: str) -> Records:
    """Open a copy of a backup, so that the backup itself is not migrated if an older version made it."""
    from consent_mw.proof.transfer import backup_file
    from consent_mw.records import open_records

    name = os.path.join(folder, "backup.db")
    backup_file(file, name)
    return open_records(f"sqlite:///{name}", site=site)


@click.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@_erased_in
@_retired_keys
@click.pass_obj
def copy(owner: Owner, source: str, target: str, erased_in: tuple[str, ...], retired_keys: str | None) -> int:
    """
    Copy the records from the store FROM into the empty store TO.

    FROM and TO are URLs as in the setting records. The chain stays the same,
    so receipts stay valid. What was erased in TO before its records are
    there, or in a store that --erased-in names, is left out.
    """
    from consent_mw.proof.transfer import copy_records
    from consent_mw.records import open_records

    site, source, target = owner.site.id, _address(source), _address(target)
    if source.startswith("sqlite:///") and not os.path.exists(source.removeprefix("sqlite:///")):
        raise Unable(f"There are no records at {clean(source)}.")
    erasures = _Erasures(owner, retired(owner, retired_keys) if retired_keys else ())
    for other in erased_in:
        erasures.read(other)
    with closing(open_records(source, site=site)) as old, closing(open_records(target, site=site)) as new:
        erasures.add(new)
        copied = copy_records(old, new, site=site, keys=erasures.keys, today=owner.today, erased=erasures.known)
    click.echo(
        f"{count(copied.seals, 'seal')}, {count(copied.entries, 'entry', 'entries')}, {copied.waiting:,} waiting, "
        f"{count(copied.notices, 'notice')}, {count(copied.figures, 'table')} of figures copied"
        + (f"; {count(copied.erased, 'entry', 'entries')} left out, because they are erased." if copied.erased else ".")
    )
    return 0


@click.command()
@click.argument("source", metavar="FROM")
@_retired_keys
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

    site, source = owner.site, _address(source)
    file = source.removeprefix("sqlite:///") if source.startswith("sqlite:///") else ""
    if file and not os.path.exists(file):
        raise Unable(f"There are no records at {clean(source)}.")
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
