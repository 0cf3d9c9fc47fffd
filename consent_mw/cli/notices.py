"""The commands for notices: list those that were agreed to, show one exactly, and compare two."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import TYPE_CHECKING
from typing import Any

import click

from consent_mw.cli import FOUND
from consent_mw.cli import Owner
from consent_mw.cli import Unable
from consent_mw.cli import clean
from consent_mw.cli.output import as_bytes
from consent_mw.cli.output import aside
from consent_mw.cli.output import print_json
from consent_mw.cli.output import table
from consent_mw.cli.output import title

if TYPE_CHECKING:
    from consent_mw.records import Records

__all__ = ["notice"]

#: The minimum length of an abbreviated hash.
_SHORTEST = 8


@click.group()
def notice() -> None:
    """List the notices that were agreed to; show one exactly; show what differs between two."""


@notice.command("list")
@click.option("--date", metavar="DAY", default="", help="Only notices that somebody agreed to on this day: 2026-05-03.")
@click.option("--language", metavar="TAG", default="", help="Only notices in this language.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.pass_obj
def list_notices(owner: Owner, date: str, language: str, as_json: bool) -> int:
    """
    List the notices that visitors agreed to, with the days and languages.

    Reads the whole ledger. A notice that nobody agreed to is in no entry, and
    not listed.
    """
    from consent_mw.core.days import day_of
    from consent_mw.core.days import iso
    from consent_mw.core.seal import GRANTS

    try:
        only = day_of(date) if date else None
    except ValueError:
        raise Unable(f"{clean(date)} is not a date: write it like 2026-05-03.") from None
    days: dict[tuple[str, str], tuple[int, int]] = {}
    with owner.records() as store:
        for kept in store.entries():
            entry = kept.entry
            if entry.act not in GRANTS or not entry.notice or only not in (None, entry.day):
                continue
            if language in ("", entry.language):
                first, last = days.get((entry.notice, entry.language), (entry.day, entry.day))
                days[entry.notice, entry.language] = min(first, entry.day), max(last, entry.day)
    listed = sorted(days.items(), key=lambda item: (item[1], item[0]))
    if as_json:
        print_json(
            [
                {"notice": digest, "language": tag, "first": iso(first), "last": iso(last)}
                for (digest, tag), (first, last) in listed
            ]
        )
    elif not listed:
        click.echo("No notice was agreed to then.")
    else:
        table((clean(digest), clean(tag), f"{iso(first)} to {iso(last)}") for (digest, tag), (first, last) in listed)
        aside("To read one: consent-mw notice show HASH --language TAG")
    return 0


@notice.command("show")
@click.argument("digest", metavar="HASH")
@click.option("--language", metavar="TAG", default="", help="One of the languages that the notice was shown in.")
@click.option("--gpc", is_flag=True, help="As it was shown to browsers with an opt-out signal.")
@click.option("--html", "as_html", is_flag=True, help="Write a page that looks like the notice.")
@click.option("--json", "as_json", is_flag=True, help="Write the document with that hash, byte for byte.")
@click.pass_obj
def show_notice(owner: Owner, digest: str, language: str, gpc: bool, as_html: bool, as_json: bool) -> int:
    """Print the exact notice that a record refers to by its hash."""
    with owner.records() as store:
        document = store.notice(digest)
    if document is None:
        click.echo("There is no such notice.", err=True)
        return FOUND
    if hashlib.sha256(document).hexdigest() != digest:
        click.echo("The stored notice was altered: its hash does not match.", err=True)
        return FOUND
    if as_json:
        sys.stdout.buffer.write(document)
        sys.stdout.buffer.flush()
        return 0
    said = json.loads(document)
    languages = list(said["languages"])
    tag = language or (said["site"]["languages"][0] if said["site"]["languages"][0] in languages else languages[0])
    if tag not in languages:
        raise Unable(f"The notice was not shown in {tag!r}. Its languages: {', '.join(languages)}.")
    if as_html:
        sys.stdout.buffer.write(as_bytes(_page(said, tag, gpc)))
        sys.stdout.buffer.flush()
        return 0
    texts = said["languages"][tag]["texts"]
    title(f"Notice {digest}")
    table(
        [
            ("Site", clean(said["site"]["controller"] or said["site"]["name"] or said["site"]["id"]), ""),
            ("Revision", said["revision"], ""),
            ("Languages", ", ".join(languages), ""),
        ]
    )
    click.echo(f"\n  {clean(texts['banner.title'])}\n  {clean(texts['banner.text'])}")
    for purpose in said["purposes"]:
        label, description = (clean(purpose[key].get(tag, "")) for key in ("label", "description"))
        click.echo(f"    {click.style(label or purpose['id'], bold=True)}  {description}")
        for service in said["services"]:
            if purpose["id"] in service["purposes"]:
                to = f", {service['country']}" if service["country"] else ""
                click.echo(f"      {clean(service['name'])} ({clean(service['vendor'])}{to})")
    aside("--html writes the page, --json the full document.")
    return 0


@notice.command("diff")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B", default="")
@click.option("--language", metavar="TAG", default="", help="Only the words in this language.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.pass_obj
def diff_notices(owner: Owner, before: str, after: str, language: str, as_json: bool) -> int:
    """
    Show what differs between two notices: words, purposes, services, facts.

    A and B are hashes, or the beginnings of hashes as the figures page has them (8 characters or more).
    Without B it is the notice that the site has now. Exits with 1 if they differ.
    """
    from consent_mw.proof.notice_diff import differences

    with owner.records() as store:
        first = _document(store, before)
        second = _document(store, after) if after else _current(owner)
    found = differences(first, second)
    if language:
        known = set(first["languages"]) | set(second["languages"])
        if language not in known:
            raise Unable(f"Neither notice has {clean(language)!r}. Languages: {', '.join(sorted(known))}.")
        found = [one for one in found if one.place.split(" / ")[:2] == ["languages", language]]
    if as_json:
        print_json([{"place": one.place, "verb": one.verb, "before": one.before, "after": one.after} for one in found])
        return FOUND if found else 0
    if not found:
        click.echo("The two notices say the same.")
        return 0
    for one in found:
        click.echo(click.style(f"{one.verb} {clean(one.place)}", bold=True))
        for sign, text, colour in (("-", one.before, "red"), ("+", one.after, "green")):
            if text is not None:
                click.echo(click.style(f"  {sign} {clean(text)}", fg=colour))
    return FOUND


def _current(owner: Owner) -> dict[str, Any]:
    """Return the document of the notice for the current configuration."""
    from consent_mw.notice.assets import Assets
    from consent_mw.notice.banner import Notice

    document: dict[str, Any] = json.loads(Notice(owner.site, Assets()).document)
    return document


def _document(store: Records, name: str) -> dict[str, Any]:
    """Return the notice with that hash or abbreviated hash; raises Unable if there is not exactly one."""
    digest = name.lower()
    if len(digest) != 64:
        entries = store.entries() if len(digest) >= _SHORTEST else iter(())
        known = {kept.entry.notice for kept in entries if kept.entry.notice.startswith(digest)}
        if len(known) != 1:
            how = f"is the beginning of {len(known)} notices that were agreed to" if known else "was not agreed to"
            raise Unable(f"{clean(name)} {how}: consent-mw notice list shows those that were.")
        digest = known.pop()
    document = store.notice(digest)
    if document is None:
        raise Unable(f"There is no notice {clean(name)}: consent-mw notice list shows those that were agreed to.")
    if hashlib.sha256(document).hexdigest() != digest:
        raise Unable(f"The stored notice {clean(name)} was altered: its hash does not match.")
    said: dict[str, Any] = json.loads(document)
    if "languages" not in said:
        raise Unable(f"{clean(name)} is not a notice of this site: it says which tool a choice was taken over from.")
    return said


def _page(said: dict[str, Any], tag: str, gpc: bool) -> str:
    """Return a page with the notice as it was shown."""
    from consent_mw.notice.escaping import escape
    from consent_mw.notice.wording import direction

    shown = said["languages"][tag]
    suffix = "_gpc" if gpc else ""
    style = said["styles"]["banner.css"] + said["styles"].get("reopen.css", "")
    return (
        f'<!doctype html>\n<html lang="{escape(tag)}" dir="{direction(tag)}"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{escape(shown['texts']['banner.title'])}</title><style>{style}</style></head>\n"
        f"<body>{shown['banner' + suffix]}{shown['reopen' + suffix]}</body></html>\n"
    )
