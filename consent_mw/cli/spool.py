"""The commands for the spool: its status, replaying it, and taking over the file of a lost machine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import click

from consent_mw.cli import FOUND
from consent_mw.cli import Owner
from consent_mw.cli import Unable
from consent_mw.cli.output import count

if TYPE_CHECKING:
    from consent_mw.records.spool import SpooledRecords
    from consent_mw.records.spool import SpoolStatus

#: Seconds that a replay waits for the store, which may be starting up.
PATIENCE = 20.0


@click.group()
def spool() -> None:
    """Show the entries that wait for the store on this machine, and send them."""


@spool.command()
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.pass_obj
def status(owner: Owner, as_json: bool) -> int:
    """Show how many entries are waiting, and since when; exit with 1 if there are any."""
    from consent_mw.core.days import iso

    with _opened(owner, _own_file(owner)) as records:
        found = records.status()
    oldest = None if found.oldest is None else iso(found.oldest)
    if as_json:
        told = {
            "entries": found.entries,
            "oldest": oldest,
            "notices": found.notices,
            "erasures": found.erasures,
            "counts": found.counts,
        }
        click.echo(json.dumps(told, indent=2))
    elif not _any(found):
        click.echo("Nothing is waiting: the store has everything.")
    else:
        since = f", the oldest from {oldest}" if oldest else ""
        click.echo(
            f"Waiting: {count(found.entries, 'entry', 'entries')}{since}; {count(found.notices, 'notice')}; "
            f"{count(found.erasures, 'erasure')}; {count(found.counts, 'count')}."
        )
    return FOUND if _any(found) else 0


@spool.command()
@click.pass_obj
def replay(owner: Owner) -> int:
    """Send the entries that wait on this machine to the store, as the running site does every few seconds."""
    return _replay(owner, _own_file(owner))


@spool.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.pass_obj
def take(owner: Owner, file: str) -> int:
    """
    Send the entries in FILE, the spool of a lost machine, to the store.

    Copy FILE together with FILE-wal, if that exists. An entry leaves the file
    only after the store has it, so you can interrupt and repeat the command.
    """
    if os.path.exists(owner.site.spool) and os.path.samefile(file, owner.site.spool):
        raise Unable(f"{file} is the spool of this machine: run consent-mw spool replay.")
    return _replay(owner, file)


def _own_file(owner: Owner) -> str:
    """Return the spool of this machine."""
    if not owner.site.spool:
        raise Unable("This site has no spool: its records are in a file on this machine, which is always available.")
    if not os.path.exists(owner.site.spool):
        raise Unable(f"There is no spool at {owner.site.spool}: the site creates it when it starts.")
    return owner.site.spool


@contextmanager
def _opened(owner: Owner, file: str) -> Iterator[SpooledRecords]:
    from consent_mw.records import open_records
    from consent_mw.records.spool import SpooledRecords

    site = owner.site
    records = SpooledRecords(lambda: open_records(site.records, site=site.id), file, site=site.id)
    try:
        yield records
    finally:
        records.close()


def _replay(owner: Owner, file: str) -> int:
    """Replay a spool file, and print how many entries remain."""
    from consent_mw.proof.erasing import marks_of

    sent = 0
    marks = partial(marks_of, site=owner.site.id, keys=owner.keys)
    with _opened(owner, file) as records:
        until = time.monotonic() + PATIENCE
        while True:
            sent += records.replay(marks)
            left = records.status()
            # Erasures are repeated after a minute; do not wait for that.
            if not (left.entries or left.notices or left.counts) or time.monotonic() > until:
                break
            time.sleep(0.2)
    click.echo(f"{count(sent, 'entry', 'entries')} sent to the store.")
    if left.entries or left.notices or left.counts:
        waiting = f"{count(left.entries, 'entry', 'entries')} and {count(left.counts, 'count')}"
        raise Unable(
            f"Still waiting in {file}: {waiting}. The store does not "
            "answer, another process is sending them, or the store refuses them. See the site's log for the cause."
        )
    return 0


def _any(found: SpoolStatus) -> bool:
    return bool(found.entries or found.notices or found.erasures or found.counts)
