"""
Write docs/decisions/index.md: every decision with its title.

    python -m tools.decision_index [--check]

With ``--check`` nothing is written, and the exit status is 1 if the file is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "decisions"
INDEX = FOLDER / "index.md"


def text() -> str:
    """Return the page."""
    lines = ["# Decisions", "", "What others would wonder about, in ten lines each.", ""]
    for path in sorted(FOLDER.glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{path.name[:4]}]({path.name}): {title}")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    if "--check" not in arguments:
        INDEX.write_text(text(), encoding="utf-8")
    elif not INDEX.is_file() or INDEX.read_text(encoding="utf-8") != text():
        print(f"{INDEX.name} is out of date: run python -m tools.decision_index", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
