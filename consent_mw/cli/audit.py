"""``consent-mw audit`` and ``consent-mw init``: what a site loads, and a first configuration from that."""

from __future__ import annotations

import sys
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from datetime import date
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import urlsplit

import click

from consent_mw.cli import FOUND
from consent_mw.cli import UNABLE
from consent_mw.cli import Owner
from consent_mw.cli import Unable
from consent_mw.cli import clean
from consent_mw.cli.output import as_bytes

if TYPE_CHECKING:
    from consent_mw.audit.findings import AuditReport
    from consent_mw.audit.pages import Reader
    from consent_mw.audit.passes import Limits
    from consent_mw.audit.passes import Walk
    from consent_mw.audit.targets import Bounds

_FORMATS = ("text", "json", "html", "sarif", "junit")


def _walk(name: str, reader: Reader, limits: Limits, bounds: Bounds, begin: tuple[str, ...], quiet: bool) -> Walk:
    """Visit what a command line names."""
    from consent_mw.audit.passes import walk
    from consent_mw.audit.routes import every_route
    from consent_mw.audit.targets import AppTarget
    from consent_mw.audit.targets import open_target

    target = open_target(name, bounds)
    first = "/"
    if not isinstance(target, AppTarget):
        parts = urlsplit(name)
        first = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    paths = [first, *begin]
    if isinstance(target, AppTarget):
        paths += every_route(target.app)
    try:
        with _progress(quiet) as told:
            return walk(target, reader, paths, limits, told)
    finally:
        target.close()


def _limited(command: Any) -> Any:
    """Add the options that bound a visit."""
    options = (
        click.option("--pages", type=click.IntRange(1, 5_000), default=50, show_default=True, help="Pages to read."),
        click.option(
            "--alike",
            type=click.IntRange(1, 1_000),
            default=3,
            show_default=True,
            help="Pages of one shape of address.",
        ),
        click.option("--seconds", type=click.FloatRange(1), default=300.0, show_default=True, help="For everything."),
        click.option("--patience", type=click.FloatRange(0.1), default=20.0, show_default=True, help="Seconds a page."),
        click.option("--size", type=click.IntRange(1), default=5_000_000, show_default=True, help="Bytes a page."),
        click.option("--path", "begin", multiple=True, metavar="PATH", help="Another path to begin with."),
        click.option(
            "--cookie", "cookies", multiple=True, metavar="NAME=VALUE", help="Sent with every request: a login."
        ),
        click.option("--quiet", "-q", is_flag=True, help="Show no progress."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _limits(given: dict[str, Any], *, accept: bool = False) -> tuple[Limits, Bounds]:
    from consent_mw.audit.passes import Limits
    from consent_mw.audit.targets import Bounds

    if wrong := [pair for pair in given["cookies"] if not pair.partition("=")[0] or "=" not in pair]:
        raise click.BadParameter(f"{wrong[0]!r} is not NAME=VALUE.", param_hint="'--cookie'")
    if wrong := [path for path in given["begin"] if not path.startswith("/")]:
        raise click.BadParameter(f"{wrong[0]!r} does not begin with a slash.", param_hint="'--path'")
    limits = Limits(given["pages"], given["alike"], given["seconds"], accept, given["cookies"])
    return limits, Bounds(given["patience"], given["size"])


@click.command()
@click.argument("target")
@_limited
@click.option("--browser", is_flag=True, help="Look at the pages in Chromium as well (consent_mw[audit]).")
@click.option("--browser-path", default="", metavar="FILE", help="The Chromium to use; else the one that is found.")
@click.option(
    "--linger", type=click.FloatRange(0), default=1.0, show_default=True, help="Seconds after a page is quiet."
)
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="HOST", help="Let the browser reach it too; * for every host."
)
@click.option("--accept", is_flag=True, help="Grant, and withdraw, as well: this writes a record into the ledger.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write the report into a file.")
@click.option("--baseline", type=click.Path(dir_okay=False, path_type=Path), help="Findings that are accepted.")
@click.option("--write-baseline", type=click.Path(dir_okay=False, path_type=Path), help="Accept what is open now.")
@click.pass_obj
def audit(
    owner: Owner,
    /,
    target: str,
    accept: bool,
    form: str,
    output: Path | None,
    baseline: Path | None,
    write_baseline: Path | None,
    **given: Any,
) -> int:
    """
    Show what a site loads before a choice, after a refusal, and against an objection.

    TARGET is an address (https://example.org/) or an application as gunicorn
    and uvicorn name it (module:attribute). Pages are asked for with GET; the
    only form that is sent is the notice's own, to refuse. No other host is
    visited; a browser finds no address for any but those of --allow-host.
    Exits with 0 if nothing is wrong, 1 with findings, 2 if nothing could be
    looked at.
    """
    from consent_mw.audit import findings
    from consent_mw.audit.formats import written
    from consent_mw.audit.pages import Reader

    limits, bounds = _limits(given, accept=accept)
    today = _today()
    accepted = findings.read_accepted(baseline) if baseline else ()
    reader = Reader(owner.site)
    walk = _walk(target, reader, limits, bounds, given["begin"], given["quiet"])
    report = findings.report_of(target, walk, reader, today)
    if given["browser"]:
        _browse(target, walk, report, reader, {**given, "accept": accept})
    findings.accept(report, accepted, today)
    if write_baseline is not None:
        _write(write_baseline, findings.accepted_lines(report, today))
    text = written(report, form)
    if output is not None:
        _write(output, text)
        click.echo(f"{len(report.open)} findings; the report is in {output}", err=True)
    else:
        click.echo(text if form != "text" else _coloured(text), nl=False)
    if not report.looked:
        return UNABLE
    return FOUND if report.open else 0


def _browse(name: str, walk: Walk, report: AuditReport, reader: Reader, given: dict[str, Any]) -> None:
    """Look at the pages of a walk in a browser, and add what it saw to the report."""
    from consent_mw.audit.browser import LivePlan
    from consent_mw.audit.browser import browse
    from consent_mw.audit.browser_findings import add_browser
    from consent_mw.audit.browser_page import LiveBounds
    from consent_mw.audit.passes import UNTOUCHED
    from consent_mw.audit.targets import Bounds
    from consent_mw.audit.targets import open_target

    paths = [page.path for page in walk.pages.get(UNTOUCHED, []) if page.is_page]
    if not paths:
        return
    bounds = LiveBounds(given["patience"], 10 * given["size"], linger=given["linger"])
    plan = LivePlan(given["seconds"], given["accept"], given["cookies"], given["hosts"], bounds=bounds)
    target = open_target(name, Bounds(given["patience"], given["size"]))
    try:
        with _progress(given["quiet"]) as told:
            found = browse(target, paths, plan, given["browser_path"], told)
    finally:
        target.close()
    add_browser(report, found, reader, target.origin)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, str], None]]:
    """Show in one line of the terminal what is being looked at; leave no trace of it."""
    shows = not quiet and sys.stderr.isatty()

    def told(count: int, what: str) -> None:
        if shows:
            click.echo(f"\r\x1b[K{count:>4} pages; {clean(what)[:90]}", nl=False, err=True)

    try:
        yield told
    finally:
        if shows:
            click.echo("\r\x1b[K", nl=False, err=True)


def _today() -> date:
    return datetime.now(UTC).date()


def _coloured(text: str) -> str:
    """Return a report for a terminal: what is wrong is red, what is fine green; control characters are shown."""
    lines = []
    for line in text.splitlines():
        shown = clean(line)
        colour = {"ERROR": "red", "WARNI": "yellow", "Fine:": "green"}.get(line[:5])
        lines.append(click.style(shown, fg=colour, bold=True) if colour else shown)
    return "\n".join(lines) + "\n"


def _write(file: Path, text: str) -> None:
    try:
        file.write_bytes(as_bytes(text))
    except OSError as error:
        raise Unable(f"{file} cannot be written: {error.strerror or type(error).__name__}.") from None


@click.command()
@click.argument("target")
@_limited
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("consent.toml"),
    show_default=True,
    help="- prints it.",
)
@click.option("--name", default="", help="What the site is called.")
@click.option("--controller", default="", help="Who is responsible: the name that visitors are told.")
def init(target: str, output: Path, name: str, controller: str, **given: Any) -> int:
    """
    Write a first consent.toml, from what a site's pages load.

    TARGET is an address (https://example.org/), an application
    (module:attribute), or a folder of templates. Nothing is overwritten.
    """
    from consent_mw import config
    from consent_mw.audit.first_config import Facts
    from consent_mw.audit.first_config import first_config
    from consent_mw.audit.first_config import read_folder
    from consent_mw.audit.pages import Reader

    to_stdout = str(output) == "-"
    if not to_stdout and output.exists():
        raise Unable(f"{output} exists. Name another file with --output, or print it with --output -.")
    limits, bounds = _limits(given)
    reader = Reader(config.load({}))
    if Path(target).is_dir():
        pages, unseen = read_folder(Path(target), reader), []
    else:
        walk = _walk(target, reader, limits, bounds, given["begin"], given["quiet"])
        pages, unseen = [page for found in walk.pages.values() for page in found], walk.unseen
    if not pages:
        for what, why in unseen:
            click.echo(clean(f"{what}: {why}"), err=True)
        raise Unable("No page could be read, so there is nothing to write.")
    text = first_config(pages, reader, Facts(target, name, controller))
    if to_stdout:
        click.echo(text, nl=False)
        return 0
    _write(output, text)
    services = text.count("\n[[services]]")
    click.echo(f"{output} asks about {services} services. Read it, and fill in what is marked TODO.")
    return 0
