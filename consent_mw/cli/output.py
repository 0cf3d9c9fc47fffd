"""Building blocks for the output of commands: titles, tables, numbers, JSON, and atomically written files."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from collections.abc import Iterator

import click

from consent_mw.cli import Unable

__all__ = ["as_bytes", "aside", "count", "print_json", "table", "title", "write_file"]


#: Where Linux has the open files of a process.
_DESCRIPTORS = "/proc/self/fd/"


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


def _nameless(file: str) -> int | None:
    """Return the descriptor of a file without a name in the folder of ``file``, or None where that is impossible."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir(_DESCRIPTORS):
        try:
            return os.open(os.path.dirname(os.path.abspath(file)), os.O_WRONLY | os.O_TMPFILE, 0o600)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise
    return None


def write_file(file: str, lines: Iterator[str]) -> None:
    """
    Write a file atomically and durably; it contains receipts, so only its owner may read it.

    On Linux the draft has no name until it is complete, so a process that is killed leaves nothing behind.
    """
    draft = f"{file}.{os.getpid()}.part"
    try:
        descriptor = _nameless(file)
        named = descriptor is None
        if descriptor is None:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                for line in lines:
                    stream.write(as_bytes(line))
                stream.flush()
                os.fsync(stream.fileno())
                if not named:
                    number = stream.fileno()
                    # Only with a folder's descriptor does Python follow the link, whose path is absolute anyway.
                    os.link(f"{_DESCRIPTORS}{number}", draft, src_dir_fd=number, follow_symlinks=True)
                    named = True
            os.replace(draft, file)
        except BaseException:
            if named:
                os.unlink(draft)
            raise
    except OSError as error:
        raise Unable(f"{file} cannot be written: {error.strerror or type(error).__name__}.") from None
