"""The commands for the ledger: ``ledger``, ``receipt``, ``notice`` and ``records``."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING
from typing import Any
from typing import BinaryIO

import click

from consent_mw.cli import FOUND
from consent_mw.cli import UNABLE
from consent_mw.cli import Owner
from consent_mw.cli import Unable
from consent_mw.cli import clean
from consent_mw.cli.audits import audits
from consent_mw.cli.copies import backup
from consent_mw.cli.copies import copy
from consent_mw.cli.copies import merge
from consent_mw.cli.copies import own_keys
from consent_mw.cli.copies import restore
from consent_mw.cli.copies import retired
from consent_mw.cli.output import as_bytes
from consent_mw.cli.output import aside
from consent_mw.cli.output import count
from consent_mw.cli.output import print_json
from consent_mw.cli.output import table
from consent_mw.cli.output import title
from consent_mw.cli.output import write_file

if TYPE_CHECKING:
    from consent_mw.proof.verifying import Checkpoint

# A receipt id may start with a hyphen; these commands have no short options that it could be confused with.
_TAKES_RECEIPT = {"ignore_unknown_options": True, "help_option_names": ["--help"]}

# The value of the choice cookie: its readable part ends with the receipt (consent_mw.cookies.choice).
_COOKIE = re.compile(r"1\.[^.]*~([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]{43}", re.ASCII)

_json = click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")


@click.group()
def ledger() -> None:
    """Verify, seal, export, purge, back up, copy and merge the ledger; erase a record in it."""


for command in (backup, restore, copy, merge, audits):
    ledger.add_command(command)


@click.group()
def receipt() -> None:
    """Show a receipt, or verify a downloaded one."""


@click.group()
def records() -> None:
    """Migrate the store to this version."""


# -- ledger


def _hash(text: str) -> str:
    """Return the hash of a seal as the option has it, in small letters; raises a usage error if it is none."""
    if text and not re.fullmatch("[0-9a-f]{64}", text.lower()):
        raise click.BadParameter(f"{text!r} is not a head: it has 64 of the characters 0-9 and a-f.")
    return text.lower()


@ledger.command()
@click.option(
    "--head",
    metavar="HASH",
    default="",
    callback=lambda context, parameter, value: _hash(value),
    help="A head that was recorded earlier: it must still be in the chain.",
)
@click.option("--without-keys", is_flag=True, help="Check only the chain, if you do not have the site's keys.")
@click.option("--retired-keys", metavar="VARIABLE", help="An environment variable with keys that no longer sign.")
@click.option("--record-days", metavar="DAYS", type=int, help="The retention to check against, if it used to differ.")
@click.option("--jobs", metavar="N", type=click.IntRange(1, 64), default=1, help="Verify in this many processes.")
@click.option(
    "--state",
    metavar="FILE",
    default="",
    help="Go on from the seal that FILE names, if it exists; if all is intact, write the newest seal there.",
)
@_json
@click.pass_obj
def verify(
    owner: Owner,
    head: str,
    without_keys: bool,
    retired_keys: str | None,
    record_days: int | None,
    jobs: int,
    state: str,
    as_json: bool,
) -> int:
    """Report the first record that was edited, removed, inserted or moved; exit with 1 if there is one."""
    from consent_mw.proof import verifying

    site = owner.site
    keys = () if without_keys else owner.keys
    if retired_keys:
        keys = (*retired(owner, retired_keys), *keys)
    days = site.record_days if record_days is None else record_days
    since = _checkpoint(state, site.id)
    rules: dict[str, Any] = {"site": site.id, "keys": keys, "today": owner.today, "record_days": days, "head": head}
    with owner.records() as store:
        if jobs > 1:
            found = verifying.verify_in_parallel(site.records, jobs=jobs, notices=True, since=since, **rules)
        else:
            found = verifying.verify(store, notices=True, since=since, **rules)
    finding = found.finding
    if state and found.ok and found.head:
        _write_checkpoint(state, site.id, found.seals + (since.seal if since else 0), found.head)
    if as_json:
        told = asdict(found)
        told["finding"] = finding and {**asdict(finding), "kind": finding.kind.value}
        print_json({"site": site.id, "ok": found.ok, **told})
        return 0 if found.ok else FOUND
    if finding is not None:
        title(f"Ledger of {site.id}: {finding.kind.value}", good=False)
        click.echo(f"  {clean(finding.what)}")
        where = [
            f"seal {finding.seal}" if finding.seal is not None else "",
            f"place {finding.place}" if finding.place is not None else "",
            f"receipt {clean(finding.receipt)}" if finding.receipt else "",
        ]
        if any(where):
            click.echo(f"  Where: {', '.join(filter(None, where))}.")
        intact = f"{count(found.seals, 'seal')}, {count(found.entries, 'entry', 'entries')}"
        click.echo(f"  Intact before that: {intact}.")
        return FOUND
    if not found.head:
        # There is nothing to verify yet, so do not claim that it is valid.
        title(f"Ledger of {site.id}: {'nothing is sealed yet' if found.waiting else 'empty'}")
        if found.waiting:
            click.echo(f"  Waiting for the first seal: {count(found.waiting, 'entry', 'entries')}.")
            aside("A running site seals a day once it is over; to seal now: consent-mw ledger seal")
        else:
            aside("The first record is written when a visitor agrees to something.")
        return 0
    title(f"Ledger of {site.id}: intact{f' since seal {since.seal:,}' if since else ''}", good=True)
    table(
        [
            ("Seals", f"{found.seals:,}", f"signed, {count(len(keys), 'key')}" if keys else "signatures not checked"),
            ("Entries", f"{found.entries:,}", "each in its place"),
            ("Erased", f"{found.erased:,}", "each left a tombstone") if found.erased else None,
            ("Purged", f"{found.purged:,}", f"after {days} days") if found.purged else None,
            ("Waiting", f"{found.waiting:,}", "not sealed yet") if found.waiting else None,
        ]
    )
    if found.head:
        click.echo(f"\n  Head  {found.head}")
        aside("Record it elsewhere: later, --head HASH checks that the chain was not cut short.")
    return 0


def _checkpoint(file: str, site: str) -> Checkpoint | None:
    """Return the last seal of an earlier verification."""
    from consent_mw.proof.verifying import Checkpoint

    if not file:
        return None
    folder = os.path.dirname(os.path.abspath(file))
    if os.path.isdir(file) or not os.path.isdir(folder):
        what = f"{file} is a folder" if os.path.isdir(file) else f"The folder {folder} does not exist"
        raise Unable(f"{clean(what)}: --state needs the path of a file.")
    if not os.path.exists(file):
        return None
    try:
        with open(file, encoding="ascii") as stream:
            kept = json.load(stream)
        if kept["site"] != site:
            raise Unable(f"{file} is about the site {clean(str(kept['site']))}, not {site}.")
        return Checkpoint(int(kept["seal"]), bytes.fromhex(kept["head"]))
    except OSError as error:
        raise Unable(f"{file} cannot be read: {error.strerror or type(error).__name__}.") from None
    except (ValueError, KeyError, TypeError):
        raise Unable(f"{file} names no seal: remove it to verify from the beginning.") from None


def _write_checkpoint(file: str, site: str, seal: int, head: str) -> None:
    """Keep the newest seal for the next time."""
    write_file(file, iter([json.dumps({"site": site, "seal": seal, "head": head}) + "\n"]))


@ledger.command()
@click.pass_obj
def seal(owner: Owner) -> int:
    """
    Seal new entries now, today's too; the running site seals a day once it is over.

    The seal then proves that its entries are older than this moment, and that
    those of the next seal are newer.
    """
    from consent_mw.proof.sealing import seal_new

    total = 0
    with owner.records() as store:
        while sealed := seal_new(store, site=owner.site.id, keys=owner.keys, today=owner.today):
            total += sealed
    click.echo(f"{count(total, 'entry', 'entries')} sealed." if total else "There is nothing to seal.")
    return 0


@ledger.command()
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "jsonld"]), default="csv", show_default=True)
@click.option("--output", metavar="FILE", default="", help="The file to write; default: standard output.")
@click.option(
    "--jurisdiction",
    metavar="CC",
    multiple=True,
    help="For jsonld: the country whose law applies, as a code such as IE; can be repeated.",
)
@click.option("--jobs", metavar="N", type=click.IntRange(1, 64), default=1, help="Export in this many processes.")
@click.option(
    "--state",
    metavar="FILE",
    default="",
    help="Export what was sealed after the seal that FILE names, or everything that is sealed if it does not exist; "
    "then write the newest seal there. For csv and jsonl.",
)
@click.pass_obj
def export(owner: Owner, form: str, output: str, jurisdiction: tuple[str, ...], jobs: int, state: str) -> int:
    """
    Export every entry as CSV, JSON Lines, or ISO/IEC TS 27560 records in JSON-LD.

    Entries are ordered by receipt; with --state, by seal and place.
    """
    from consent_mw.proof import export_parts
    from consent_mw.proof.export import FORMS

    for code in jurisdiction:
        if not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
            raise click.BadParameter("Write two capital letters, such as IE.", param_hint="--jurisdiction")
    if state and form == "jsonld":
        what = "A record in JSON-LD has all entries of a receipt, old ones too. Use csv or jsonl."
        raise click.BadParameter(what, param_hint="--state")
    since, site = _checkpoint(state, owner.site.id), owner.site
    facts = FORMS[form].facts(site, jurisdiction)
    job = export_parts.ExportJob(site.records, site.replica, site.id, form, facts)
    with owner.reading() as reads:
        newest = reads.last_seal() if state else None
        if since is not None:
            export_parts.check_continues(reads, since)
        if state:
            parts = export_parts.parts_by_seal(since.seal + 1 if since else 1, newest.number if newest else 0)
        else:
            parts = export_parts.parts_by_receipt(reads.due(0)[1])
        _put_out(output, export_parts.export_in_parts(job, parts, reads, jobs=jobs))
    if newest is not None:
        _write_checkpoint(state, site.id, newest.number, newest.hash.hex())
    return 0


def _put_out(output: str, lines: Iterator[str]) -> None:
    """Write an export to a file, or to standard output without one."""
    if output:
        write_file(output, lines)
        click.echo(f"Written to {output}.", err=True)
        return
    for line in lines:
        sys.stdout.buffer.write(as_bytes(line))
    sys.stdout.buffer.flush()


@ledger.command()
@click.option("--dry-run", is_flag=True, help="Only show how many entries would be dropped.")
@click.option("--confirm", is_flag=True, help="Drop even more than a tenth of the ledger at once.")
@click.pass_obj
def purge(owner: Owner, dry_run: bool, confirm: bool) -> int:
    """
    Drop expired entries, as the running site does every day; the chain stays verifiable.

    Drops nothing if the clocks of this machine and of the store differ, or if
    more than a tenth of the ledger is due and --confirm is not given.
    """
    from consent_mw.core.days import iso
    from consent_mw.proof.retention import purge_due

    days = owner.site.record_days
    before = owner.today - days
    with owner.records() as store:
        if dry_run:
            due, _ = store.due(before)
            click.echo(f"{count(due, 'entry', 'entries')} sealed before {iso(before)} would be dropped.")
            return 0
        dropped = purge_due(store, now=time.time(), record_days=days, confirmed=confirm)
    click.echo(f"{count(dropped, 'entry', 'entries')} sealed before {iso(before)} dropped; {days} days are kept.")
    return 0


@ledger.command(context_settings=_TAKES_RECEIPT)
@click.argument("receipt_id", metavar="RECEIPT")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(owner: Owner, receipt_id: str, yes: bool) -> int:
    """
    Erase the entries of a receipt for good; sealed ones leave a tombstone without personal data.

    RECEIPT is the number of a receipt, or the value of the visitor's cookie, which contains it.
    """
    from consent_mw.proof import erasing

    receipt_id = _receipt_in(receipt_id)
    with owner.records() as store:
        keys = own_keys(owner, store)  # without them, the visitor's cookie would bring the record back
        found = store.history(receipt_id)
        if not found:
            # The store may have lost the record while the visitor's cookie still has it.
            erasing.erase(store, receipt_id, site=owner.site.id, keys=keys, today=owner.today)
            click.echo("No such receipt is in the ledger. None will be written again from a cookie.", err=True)
            return FOUND
        many = count(len(found), "entry", "entries")
        if not yes and not click.confirm(f"Erase {many}? This cannot be undone", err=True):
            click.echo("Nothing was erased.", err=True)
            return UNABLE
        erased = erasing.erase(store, receipt_id, site=owner.site.id, keys=keys, today=owner.today)
    click.echo(f"{count(erased, 'entry', 'entries')} erased.")
    return 0


# -- receipt


@receipt.command(context_settings=_TAKES_RECEIPT)
@click.argument("receipt_id", metavar="RECEIPT")
@click.option("--json", "as_json", is_flag=True, help="Write the document that the visitor can download.")
@click.pass_obj
def show(owner: Owner, receipt_id: str, as_json: bool) -> int:
    """
    Show the ledger's entries for a receipt.

    RECEIPT is the number of a receipt, or the value of the visitor's cookie, which contains it.
    """
    from consent_mw.proof.receipts import receipt_document

    receipt_id = _receipt_in(receipt_id)
    with owner.records() as store:
        history = store.history(receipt_id)
        if not history:
            click.echo("No such receipt is in the ledger.", err=True)
            return FOUND
        if as_json:
            document = receipt_document(store, receipt_id, site=owner.site, keys=owner.keys)
            sys.stdout.buffer.write(document or b"")
            sys.stdout.buffer.flush()
            return 0
    title(f"Receipt {clean(receipt_id)}")
    for kept in history:
        _entry(kept.entry, f"{kept.seal}, place {kept.place}" if kept.seal is not None else "")
    return 0


@receipt.command("verify")
@click.argument("file", type=click.File("rb"))
@click.option("--ledger", "in_ledger", is_flag=True, help="Also check it against the site's ledger and keys.")
@_json
@click.pass_obj
def verify_file(owner: Owner, file: BinaryIO, in_ledger: bool, as_json: bool) -> int:
    """Verify a downloaded receipt from its file alone; exit with 1 if it is not valid."""
    from consent_mw.proof.receipts import LARGEST
    from consent_mw.proof.receipts import ReceiptState
    from consent_mw.proof.receipts import verify_receipt

    verdict = verify_receipt(file.read(LARGEST + 1), owner.keys if in_ledger else ())
    problems = list(verdict.problems)
    if in_ledger:
        with owner.records() as store:
            for one in verdict.entries:
                kept = next(iter(store.seals(one.seal.number, 1)), None) if one.seal else None
                if one.seal and (kept is None or kept.hash != one.seal.hash):
                    problems.append(f"Seal {one.seal.number} is not the one in the ledger of {owner.site.id}.")
    if as_json:
        print_json(
            {
                "ok": not problems,
                "receipt": verdict.receipt,
                "site": verdict.site,
                "signed": verdict.signed,
                "ledger": in_ledger,
                "entries": [
                    {
                        "act": one.entry.act.value,
                        "day": one.entry.day,
                        "state": one.state.value,
                        "seal": one.seal.number if one.seal else None,
                        "place": one.place,
                    }
                    for one in verdict.entries
                ],
                "problems": problems,
            }
        )
        return FOUND if problems else 0
    if problems:
        title(f"Receipt {clean(verdict.receipt)}: not valid", good=False)
        for problem in problems:
            click.echo(f"  {clean(problem)}")
        return FOUND
    waits = any(one.state is ReceiptState.WAITS for one in verdict.entries)
    proved = "not all of it is sealed yet" if waits else "proved"
    title(f"Receipt {clean(verdict.receipt)} of {clean(verdict.site)}: {proved}", good=not waits)
    for one in verdict.entries:
        _entry(one.entry, f"{one.seal.number}, place {one.place} of {one.seal.size}" if one.seal else "")
    if in_ledger:
        aside("It is signed by the site, and its seals are in the ledger.")
    else:
        aside("It matches its seals. To check that these are the site's, add --ledger; this needs the site's keys.")
    return 0


# -- records


@records.command()
@click.pass_obj
def migrate(owner: Owner) -> int:
    """Migrate the tables of the store; do this before a new version serves the site."""
    from consent_mw.records import migrate_records

    steps = migrate_records(owner.site.records, site=owner.site.id)
    for step in steps:
        click.echo(f"Done: {step}")
    click.echo("The store is up to date.")
    return 0


def _receipt_in(text: str) -> str:
    """Return the receipt id, given alone or within a cookie."""
    cookie = _COOKIE.fullmatch(text)
    return cookie[1] if cookie else text


def _entry(entry: Any, sealed: str) -> None:
    """Print one entry of a receipt."""
    from consent_mw.core.days import iso
    from consent_mw.core.seal import FROM_COOKIE

    click.echo()
    rows = [
        (iso(entry.day), entry.act.value + (", with an opt-out signal" if entry.gpc else ""), ""),
        ("Purposes", clean(", ".join(sorted(entry.purposes))) or "none", ""),
        ("Services", clean(", ".join(sorted(entry.services))) or "none", ""),
        ("Notice", clean(f"{entry.notice} ({entry.language})"), "") if entry.notice else None,
        ("Origin", "written again from the visitor's cookie", "") if entry.about == FROM_COOKIE else None,
        ("Seal", sealed or "not sealed yet", ""),
    ]
    table(rows)
