"""Formats the tables of a run as Markdown, and inserts them into ``docs/benchmarks.md``."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

BEGIN = "<!-- measured: begin (written by make bench) -->"
END = "<!-- measured: end -->"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns; columns without letters are right-aligned."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in [head, *rows]]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(head))]
    numeric = [
        all(not any(map(str.isalpha, row[column])) for row in cells[1:]) and any(row[column] for row in cells[1:])
        for column in range(len(head))
    ]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = "|".join(
        f" {'-' * (width - 1)}: " if right else f" {'-' * width} " for width, right in zip(widths, numeric, strict=True)
    )
    return "\n".join([line(cells[0]), f"|{rule}|", *map(line, cells[1:])])


def machine() -> str:
    """Return a line that describes the machine of the measurements, without identifying it."""
    implementation = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, {implementation}"


def write(document: Path, measured: str) -> None:
    """
    Insert ``measured`` between the two marks of a document.

    Raises:
        ValueError: if the marks are missing.
    """
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document}: the lines {BEGIN!r} and {END!r} are missing; put them where the tables belong")
    document.write_text(f"{before}{BEGIN}\n\n{measured.strip()}\n\n{END}{after}", encoding="utf-8")
