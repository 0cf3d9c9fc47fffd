"""``consent-mw audit`` and ``consent-mw init``: report what a site loads, and write a first configuration from it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import ExitStack
from contextlib import contextmanager
from dataclasses import replace
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
from consent_mw.cli.progress import progress

if TYPE_CHECKING:
    from consent_mw.audit.browser import LiveWalk
    from consent_mw.audit.findings import AuditReport
    from consent_mw.audit.pages import Reader
    from consent_mw.audit.passes import Limits
    from consent_mw.audit.passes import Walk
    from consent_mw.audit.targets import AuditTarget
    from consent_mw.audit.targets import Bounds
    from consent_mw.core.model import Site

#: The value of --before for the application itself, without consent_mw.
_ITSELF = "itself"
#: Where npm puts the package.
_AUTOCONSENT = "node_modules/@duckduckgo/autoconsent"
_FORMATS = ("text", "json", "html", "sarif", "junit")


@contextmanager
def _opened(name: str, bounds: Bounds) -> Iterator[AuditTarget]:
    """Open the target that the command line names."""
    from consent_mw.audit.targets import open_target

    target = open_target(name, bounds)
    try:
        yield target
    finally:
        target.close()


def _begin(name: str, target: AuditTarget, more: tuple[str, ...]) -> list[str]:
    """Return the paths to start with."""
    from consent_mw.audit.routes import every_route
    from consent_mw.audit.targets import AppTarget

    if isinstance(target, AppTarget):
        return ["/", *more, *every_route(target.app)]
    parts = urlsplit(name)
    return [(parts.path or "/") + (f"?{parts.query}" if parts.query else ""), *more]


def _walk(target: AuditTarget, reader: Reader, paths: list[str], limits: Limits, shows: bool) -> Walk:
    """Visit a site without a browser."""
    from consent_mw.audit.passes import walk

    with progress(shows=shows) as told:
        return walk(target, reader, paths, limits, told)


def _limited(command: Any) -> Any:
    """Add the options that limit a visit."""
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


def _limits(given: Mapping[str, Any]) -> tuple[Limits, Bounds]:
    from consent_mw.audit.passes import Limits
    from consent_mw.audit.targets import Bounds

    if wrong := [pair for pair in given["cookies"] if not pair.partition("=")[0] or "=" not in pair]:
        raise click.BadParameter(f"{wrong[0]!r} is not NAME=VALUE.", param_hint="'--cookie'")
    if wrong := [path for path in given["begin"] if not path.startswith("/")]:
        raise click.BadParameter(f"{wrong[0]!r} does not begin with a slash.", param_hint="'--path'")
    if given.get("autoconsent") is not None and given["browser"] is None:
        raise click.UsageError("--autoconsent works in a browser: give --browser, too.")
    limits = Limits(given["pages"], given["alike"], given["seconds"], given.get("accept", False), given["cookies"])
    return limits, Bounds(given["patience"], given["size"])


class _BrowserNamed(click.Command):
    """A command whose ``--browser`` may be followed by the name of a browser, and otherwise means Chromium."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Add the name if it is missing, so that click does not take the next argument for it."""
        given = list(args)
        for place, word in enumerate(args):
            if word == "--":
                break
            if word == "--browser" and args[place + 1 : place + 2] not in (["chromium"], ["firefox"]):
                given[place] = "--browser=chromium"
        return super().parse_args(ctx, given)


@click.command(cls=_BrowserNamed)
@click.argument("target")
@_limited
@click.option(
    "--browser",
    type=click.Choice(("chromium", "firefox")),
    help="Look at the pages in it as well; without a name, in Chromium (consent_mw[audit]).",
)
@click.option("--browser-path", default="", metavar="FILE", help="The browser's program; else the one that is found.")
@click.option(
    "--linger", type=click.FloatRange(0), default=1.0, show_default=True, help="Seconds after a page is quiet."
)
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="HOST", help="Let the browser reach it too; * for every host."
)
@click.option(
    "--autoconsent",
    is_flag=False,
    flag_value=_AUTOCONSENT,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="[FOLDER]",
    help="Let this package of yours answer the notices of other tools.",
)
@click.option(
    "--resolver",
    is_flag=False,
    flag_value="",
    metavar="[ADDRESS]",
    help="Ask it, or this machine's, which hosts are other names of trackers.",
)
@click.option(
    "--storage-state",
    "state",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A login: cookies and storage as Playwright saves them.",
)
@click.option("--accept", is_flag=True, help="Grant, and withdraw, as well: this writes a record into the ledger.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write the report into a file.")
@click.option("--baseline", type=click.Path(dir_okay=False, path_type=Path), help="Findings that are accepted.")
@click.option("--write-baseline", type=click.Path(dir_okay=False, path_type=Path), help="Accept what is open now.")
@click.option(
    "--before",
    is_flag=False,
    flag_value=_ITSELF,
    metavar="[TARGET]",
    help="Compare with the site without consent_mw: the application itself, or another TARGET.",
)
@click.option(
    "--evidence", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help="Keep report, HAR, pictures."
)
@click.option("--record", is_flag=True, help="Keep the result beside the ledger, for the owner's pages.")
@click.pass_obj
def audit(owner: Owner, /, target: str, form: str, output: Path | None, **given: Any) -> int:
    """
    Show what a site loads before a choice, after a refusal, and against an objection.

    TARGET is an address (https://example.org/) or an application as gunicorn
    and uvicorn name it (module:attribute). Pages are asked for with GET; the
    only form that is sent is the notice's own, to refuse. No other host is
    visited, except those of --allow-host in a browser.
    Exits with 0 if nothing is wrong, 1 with findings, 2 if nothing could be
    looked at.
    """
    from consent_mw.audit import baseline
    from consent_mw.audit.formats import written
    from consent_mw.audit.targets import AppTarget

    if given["state"] is not None:
        given["state"] = _state_of(given["state"])
        given["cookies"] += cookies_for(target, given["state"])
    limits, bounds = _limits(given)
    today = _today()
    accepted = baseline.read_accepted(given["baseline"]) if given["baseline"] else ()
    with _opened(target, bounds) as opened:
        site = owner.site_for(opened.app) if isinstance(opened, AppTarget) else owner.site
        looking = _Look(site, limits, today, {**given, "form": form})
        report, live = looking.at(target, opened, _begin(target, opened, given["begin"]))
        if given["before"] and report.looked:
            looking.compare(report, opened, given["before"])
    baseline.accept(report, accepted, today)
    if given["write_baseline"] is not None:
        _write(given["write_baseline"], baseline.accepted_lines(report, today))
    text = written(report, form)
    if output is not None:
        _write(output, text)
        click.echo(f"{len(report.open)} findings; the report is in {output}", err=True)
    else:
        click.echo(text if form != "text" else _coloured(text), nl=False)
    if not report.looked:
        return UNABLE
    digest = _keep_evidence(report, live, given["evidence"]) if given["evidence"] is not None else ""
    if given["record"]:
        _record(owner, site, report, today, digest)
    return FOUND if report.open else 0


class _Look:
    """Audits several sites in the same way."""

    def __init__(self, site: Site, limits: Limits, today: date, given: Mapping[str, Any]) -> None:
        from consent_mw.audit.aliases import Aliases
        from consent_mw.audit.pages import Reader

        named = given["resolver"]
        self._reader = Reader(site, Aliases(named) if named is not None else None)
        self._limits = limits
        self._today = today
        self._given = given

    def at(self, name: str, target: AuditTarget, paths: list[str]) -> tuple[AuditReport, LiveWalk | None]:
        """Return the report on a site, and the observations of a browser, if one is used."""
        from consent_mw.audit.browser_findings import add_browser
        from consent_mw.audit.findings import report_of
        from consent_mw.audit.passes import UNTOUCHED

        walk = _walk(target, self._reader, paths, self._limits, _shows(self._given))
        report = report_of(name, walk, self._reader, self._today)
        seen = [page.path for page in walk.pages.get(UNTOUCHED, []) if page.is_page]
        if self._given["browser"] is None or not seen:
            return report, None
        live = _browse(target, seen, self._given)
        add_browser(report, live, self._reader, target.origin)
        return report, live

    def compare(self, report: AuditReport, target: AuditTarget, name: str) -> None:
        """Add to a report which third parties the same pages reach without consent_mw."""
        from consent_mw.audit.findings import reached
        from consent_mw.audit.passes import UNTOUCHED
        from consent_mw.audit.targets import AppTarget
        from consent_mw.engine import running_engines

        paths = report.paths
        self._limits = replace(self._limits, pages=len(paths), accept=False)
        self._given = {**self._given, "accept": False, "passes": (UNTOUCHED,), "evidence": None}
        if name != _ITSELF:
            with _opened(name, _limits(dict(self._given))[1]) as other:
                before, _ = self.at(name, other, paths)
        elif not isinstance(target, AppTarget):
            raise Unable("Name where the site answers without consent_mw: --before http://127.0.0.1:8000/.")
        elif not (engines := running_engines()):
            raise Unable("consent_mw is not around this application, so there is nothing to compare.")
        else:
            with ExitStack() as aside:
                for engine in engines:
                    aside.enter_context(engine.standing_aside())
                before, _ = self.at("the application itself", target, paths)
        if not before.looked:
            raise Unable(f"No page could be read without consent_mw, at {clean(before.target)}.")
        report.before = reached(before)
        # A service that the application loads itself was seen there.
        unseen = {finding.service for finding in before.findings if finding.kind == "never-seen"}
        report.findings = [one for one in report.findings if one.kind != "never-seen" or one.service in unseen]


def _browse(target: AuditTarget, paths: list[str], given: Mapping[str, Any]) -> LiveWalk:
    """Visit pages in a browser."""
    from consent_mw.audit.autoconsent import Autoconsent
    from consent_mw.audit.browser import LivePlan
    from consent_mw.audit.browser import browse
    from consent_mw.audit.browser_page import LiveBounds

    plan = LivePlan(
        given["seconds"],
        given["accept"],
        () if given["state"] is not None else given["cookies"],
        given["hosts"],
        given.get("passes", ()),
        LiveBounds(given["patience"], 10 * given["size"], linger=given["linger"]),
        pictures=given["evidence"] is not None,
        state=given["state"],
        helper=Autoconsent(given["autoconsent"]) if given["autoconsent"] is not None else None,
    )
    with progress(shows=_shows(given)) as told:
        return browse(target, paths, plan, given["browser_path"], told, given["browser"])


def _state_of(file: Path) -> dict[str, Any]:
    """Return the cookies and the storage from a file saved by Playwright."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        for one in found["cookies"]:
            if not (isinstance(one["name"], str) and isinstance(one["value"], str)):
                raise TypeError("name or value of a cookie")
    except OSError as error:
        raise Unable(f"{file} cannot be read: {error.strerror or type(error).__name__}.") from None
    except (ValueError, TypeError, KeyError):
        remedy = "Save one with context.storage_state(path=...)."
        raise Unable(f"{file} holds no storage state of Playwright's. {remedy}") from None
    state: dict[str, Any] = found
    return state


def cookies_for(target: str, state: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cookies of a storage state for the host of a URL; all of them for an application."""
    host = urlsplit(target).hostname if target.startswith(("http://", "https://")) else None
    found = []
    for one in state["cookies"]:
        domain = str(one.get("domain", "")).lstrip(".").lower()
        if host is None or host == domain or host.endswith(f".{domain}"):
            found.append(f"{one['name']}={one['value']}")
    return tuple(found)


def _keep_evidence(report: AuditReport, live: LiveWalk | None, folder: Path) -> str:
    """Write the evidence of a report, and return the hash of its manifest."""
    from consent_mw.audit.evidence import evidence_of

    evidence = evidence_of(report, live.pictures if live else {}, live.browser if live else "")
    try:
        evidence.write(folder)
    except OSError as error:
        raise Unable(f"{folder} cannot be written: {error.strerror or type(error).__name__}.") from None
    click.echo(f"The evidence is in {folder}; its manifest has the SHA-256 {evidence.digest}", err=True)
    return evidence.digest


def _record(owner: Owner, site: Site, report: AuditReport, today: date, digest: str) -> None:
    """Store a result next to the ledger."""
    from consent_mw.audit.findings import reached
    from consent_mw.proof.audits import AuditResult
    from consent_mw.proof.audits import keep_result

    severities = [finding.severity for finding in report.open]
    result = AuditResult(
        site=site.id,
        day=(today - date(1970, 1, 1)).days,
        target=report.target[:200],
        pages=sum(report.pages.values()),
        errors=severities.count("error"),
        warnings=severities.count("warning"),
        accepted=sum(bool(finding.accepted) for finding in report.findings),
        before=report.before.elements if report.before else None,
        now=reached(report).elements,
        evidence=digest,
    )
    running = Owner(site=site)
    with running.records() as store:
        kept = keep_result(store, result, running.keys)
    click.echo(f"The result is kept, after seal {kept.seal}, and the next seal covers it.", err=True)


def _shows(given: Mapping[str, Any]) -> bool:
    """Return whether to show the progress: programs read the other formats, maybe together with what is on stderr."""
    return not given["quiet"] and given.get("form", "text") in ("text", "html")


def _today() -> date:
    return datetime.now(UTC).date()


def _coloured(text: str) -> str:
    """Return a report for a terminal: problems in red, successes in green, control characters escaped."""
    lines = []
    for line in text.splitlines():
        shown = clean(line)
        colour = {"ERROR": "red", "WARNI": "yellow", "OK: n": "green"}.get(line[:5])
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
        if not pages:
            raise Unable(f"{target} holds no templates (.html and the like). Name the folder that does.")
    elif ":" not in target:
        raise Unable(
            f"{target!r} is neither an address (https://...), nor an application (module:attribute), nor a folder."
        )
    else:
        with _opened(target, bounds) as opened:
            walk = _walk(opened, reader, _begin(target, opened, given["begin"]), limits, _shows(given))
        pages, unseen = [page for found in walk.pages.values() for page in found], walk.unseen
    if not pages:
        for what, why in unseen:
            click.echo(clean(f"{what}: {why}"), err=True)
        raise Unable("No page could be read, so there is nothing to write.")
    if not controller and not to_stdout and not given["quiet"] and sys.stdin.isatty():
        asked = "Who is responsible for the site, as visitors are told (name and town; empty to fill it in later)"
        controller = click.prompt(asked, default="", show_default=False)
    text = first_config(pages, reader, Facts(target, name, controller))
    if to_stdout:
        click.echo(text, nl=False)
        return 0
    _write(output, text)
    number = text.count("\n[[services]]")
    services = "1 service" if number == 1 else f"{number} services"
    click.echo(f"{output} asks about {services}. Read it, and fill in what is marked TODO.")
    return 0
