"""``manage.py consent …``: the commands of ``consent-mw``, with the project's own settings."""

from __future__ import annotations

import sys
from argparse import REMAINDER

from django.core.management.base import BaseCommand
from django.core.management.base import CommandParser

from consent_mw.cli import Owner
from consent_mw.cli import main
from consent_mw.django.setup import site


class Command(BaseCommand):
    """Pass the rest of the command line on."""

    help = "Check the ledger, see the consent rates, and the rest of consent-mw's commands."
    # The command itself reports mistakes in the setting CONSENT.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Accept all arguments."""
        parser.add_argument("command", nargs=REMAINDER, help="as after consent-mw, for example: ledger verify")

    def handle(self, *args: object, **options: object) -> None:
        """Run the command and end with its exit code."""
        words = options["command"]
        sys.exit(main([str(word) for word in words] if isinstance(words, list) else [], owner=Owner(site=site())))
