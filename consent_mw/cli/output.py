"""Building blocks for the output of commands: titles, tables, numbers, JSON, and atomically written files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from collections.abc import Iterator

import click

from consent_mw.cli import Unable

__all__ = ["as_bytes", "aside", "count", "print_json", "table", "title", "write_file"]


def title(text: str, *, good: bool | None = None) -> None:
    """Print a heading; green or red for a good or bad result."""
    colour = None if good is None else "green" if good else "red"
    click.echo(click.style(text, bold=True, fg=colour))


def aside(text: str) -> None:
    """Print a remark below the output."""
    click.echo(click.style(f"\n  {text}", dim=True))


def table(rows: Iterable[tuple[str, str, str] | None]) -> None:
    """Print names, values and remarks in columns."""
    shown = [row for row in rows if row is not None]
    first, second = (max(len(row[column]) for row in shown) for column in (0, 1))
    right = all(value.replace(",", "").isdigit() for _, value, _ in shown)
    for name, value, remark in shown:
        middle = value.rjust(second) if right else value.ljust(second)
        aside = f"  {click.style(remark, dim=True)}" if remark else ""
        click.echo(f"  {name.ljust(first)}  {middle if remark or right else value}{aside}")


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun in singular or plural."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def print_json(value: object) -> None:
    """Print a value as JSON, for programs."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=True))


def as_bytes(text: str) -> bytes:
    """Encode text as UTF-8; escape what UTF-8 cannot encode."""
    return text.encode("utf-8", "backslashreplace")


def write_file(file: str, lines: Iterator[str]) -> None:
    """Write a file atomically; it contains receipts, so only its owner may read it."""
    draft = f"{file}.{os.getpid()}.part"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                for line in lines:
                    stream.write(as_bytes(line))
            os.replace(draft, file)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        raise Unable(f"{file} cannot be written: {error.strerror or type(error).__name__}.") from None
