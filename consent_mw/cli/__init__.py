"""
The command line: ``consent-mw``, also as ``python -m consent_mw``.

Each command's module is imported only when the command runs, so that ``--help`` and completion are fast.

Exit codes: 0 for success, 1 if a check found something, 2 if the command could not run because of a mistake in the
command or the configuration, or because the store does not work.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

import click

from consent_mw.errors import ConfigError
from consent_mw.errors import ConsentError

if TYPE_CHECKING:
    from consent_mw.core.model import Site
    from consent_mw.records import Records
    from consent_mw.records.replica import Reads

__all__ = ["FOUND", "UNABLE", "CommandInfo", "Owner", "cli", "clean", "main"]

#: Exit codes.
FOUND = 1
UNABLE = 2

#: The default configuration file.
DEFAULT_CONFIG = "consent.toml"


@dataclass(frozen=True, slots=True)
class CommandInfo:
    """The module and name of a command, and its line in the list of commands."""

    module: str
    name: str
    help: str


_AUDIT = "consent_mw.cli.audit"
_LEDGER = "consent_mw.cli.ledger"
_STATS = "consent_mw.cli.stats"

#: All commands, in the order of the list.
COMMANDS = {
    "check": CommandInfo("consent_mw.cli.check", "check", "Check an installation: configuration, keys, store, site."),
    "audit": CommandInfo(_AUDIT, "audit", "Show what a site loads before, after and against a choice."),
    "init": CommandInfo(_AUDIT, "init", "Write a first consent.toml from what a site's pages load."),
    "shadow": CommandInfo("consent_mw.cli.shadow", "shadow", 'Show what would be held, with mode = "report".'),
    "catalogue": CommandInfo(
        "consent_mw.cli.catalogue",
        "catalogue",
        "Show and search the known services; check your own entries.",
    ),
    "inventory": CommandInfo(
        "consent_mw.cli.inventory", "inventory", "Show what the site's pages load, and what of it is new."
    ),
    "preview": CommandInfo("consent_mw.cli.preview", "preview", "Show all variants of the notice, side by side."),
    "ledger": CommandInfo(_LEDGER, "ledger", "Verify, seal, export, purge, back up the ledger; erase a record."),
    "receipt": CommandInfo(_LEDGER, "receipt", "Show a receipt, or verify a downloaded one."),
    "notice": CommandInfo("consent_mw.cli.notices", "notice", "List the notices agreed to, show one, compare two."),
    "records": CommandInfo(_LEDGER, "records", "Migrate the store to this version."),
    "spool": CommandInfo("consent_mw.cli.spool", "spool", "Show the spool of this machine; send it to the store."),
    "keys": CommandInfo("consent_mw.cli.keys", "keys", "List, add, promote and retire signing keys."),
    "stats": CommandInfo(_STATS, "stats", "Show consent rates; set the password for their pages."),
    "report": CommandInfo("consent_mw.cli.report", "report", "Report consent rates, and fail if they drop."),
    "demo-data": CommandInfo(_STATS, "demo_data", "Fill an empty store with synthetic visits."),
}


class _Commands(click.Group):
    """A group that imports a command on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = COMMANDS.get(cmd_name)
        if command is None:
            return None
        found: click.Command = getattr(import_module(command.module), command.name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in COMMANDS.items()])


class Owner:
    """
    The site that a command runs on, with its keys and its records.

    Args:
        config: The path of a consent.toml; empty for ``consent.toml`` in the current folder, or else the defaults.
        site: The site itself, if a framework's settings describe it.
    """

    def __init__(self, config: str = "", *, site: Site | None = None) -> None:
        if site is not None:
            self.site = site
        self.config = config or (DEFAULT_CONFIG if os.path.exists(DEFAULT_CONFIG) else "")

    @cached_property
    def site(self) -> Site:
        """
        The configured site.

        Raises:
            ConfigError: with every mistake in the configuration.
        """
        from consent_mw import config

        return config.load(self.config or None)

    def site_for(self, app: object) -> Site:
        """
        Return the configuration for examining an application: the one given by option, or else the application's own.

        Args:
            app: An application, which may be wrapped by consent_mw.

        Raises:
            ConfigError: with every mistake in the configuration.
        """
        from consent_mw.audit.routes import site_around

        if self.config or "site" in vars(self):
            return self.site
        return site_around(app) or self.site

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The signing keys, oldest first."""
        from consent_mw.cookies.keys import load_keys

        return load_keys(self.site, os.environ)

    @property
    def today(self) -> int:
        """Whole days since 1970-01-01 UTC."""
        return int(time.time() // 86_400)

    @contextmanager
    def records(self, *, make: bool = False) -> Iterator[Records]:
        """
        Open the records for the duration of the block.

        Args:
            make: Whether to create a missing store; otherwise a wrong path would look like an empty ledger.
        """
        from consent_mw.records import open_records

        site = self.site
        file = site.records.removeprefix("sqlite:///") if site.records.startswith("sqlite:///") else ""
        if file and not make and not os.path.exists(file):
            raise Unable(f"There are no records at {file}: name the site's consent.toml with --config.")
        # The spool belongs to the processes that serve the site: do not create it here.
        spool = site.spool if site.spool and os.path.exists(site.spool) else ""
        records = open_records(site.records, site=site.id, spool=spool)
        try:
            yield records
        finally:
            records.close()

    @contextmanager
    def reading(self) -> Iterator[Reads]:
        """Open what figures and exports are read from: the replica of the store if there is one."""
        from consent_mw.records.replica import ReplicaReads

        with self.records() as store:
            reads = ReplicaReads(lambda: store, self.site.replica, site=self.site.id)
            try:
                source = reads.source()
                if reads.trouble:
                    click.echo(clean(f"Read from the store itself, not from its replica: {reads.trouble}"), err=True)
                yield source
            finally:
                reads.close()


class Unable(ConsentError):
    """The command cannot run; the message gives the reason and the remedy."""


def clean(text: str) -> str:
    """Return a string with control characters escaped: stores and files may contain anything."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    "-c",
    metavar="FILE",
    envvar="CONSENT_CONFIG",
    default="",
    help="The site's configuration; default: CONSENT_CONFIG, consent.toml in the current folder, or the defaults.",
)
@click.version_option(package_name="consent_mw", prog_name="consent-mw", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, config: str) -> None:
    """Manage a site's consent: configuration, records, keys and rates."""
    ctx.obj = ctx.obj or Owner(config)
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main(args: Sequence[str] | None = None, *, owner: Owner | None = None) -> int:
    """
    Run a command and return its exit code.

    Args:
        args: The arguments; None for those of this process.
        owner: The site to run on; None for the one that ``--config`` names.
    """
    logger = logging.getLogger("consent_mw")
    level = logger.level
    # Log lines for servers do not belong in a command's output. Errors are printed below.
    logger.setLevel(logging.CRITICAL)
    try:
        return _run(args, owner)
    finally:
        logger.setLevel(level)


def _run(args: Sequence[str] | None, owner: Owner | None) -> int:
    try:
        code = cli.main(
            args=None if args is None else list(args), prog_name="consent-mw", standalone_mode=False, obj=owner
        )
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return UNABLE
    except click.Abort:
        click.echo("Stopped.", err=True)
        return UNABLE
    except ConfigError as error:
        for problem in error.problems:
            click.echo(clean(str(problem)), err=True)
        return UNABLE
    except ConsentError as error:
        click.echo(clean(str(error)), err=True)
        return UNABLE
    except BrokenPipeError:
        # The reader has closed the pipe. Without this, Python would report the broken pipe again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNABLE
    except OSError as error:
        if error.filename is None:
            raise  # not about a file that the owner named
        reason = error.strerror or type(error).__name__
        remedy = "Name another path, or let this user reach it."
        click.echo(clean(f"{error.filename} cannot be used: {reason}. {remedy}"), err=True)
        return UNABLE
    return code if isinstance(code, int) else 0
