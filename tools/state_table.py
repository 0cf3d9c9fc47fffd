"""
Print the state table of the exchange into docs/exchange.md.

Usage: ``python -m tools.state_table`` writes it; ``--check`` only checks that it is up to date (exit status 1 if not).
"""

from __future__ import annotations

import sys
from pathlib import Path

from consent_mw.http.states import TRANSITIONS
from consent_mw.http.states import Event
from consent_mw.http.states import ExchangeState
from consent_mw.http.states import Outcome

PAGE = Path(__file__).resolve().parent.parent / "docs" / "exchange.md"
BEGIN = "<!-- the table: made by tools/state_table.py -->\n"
END = "<!-- end of the table -->\n"

_CELLS = {Outcome.IGNORED: "–", Outcome.MISUSE: "error"}


def table() -> str:
    """Return the table as Markdown: a row for each event, a column for each state."""
    states = list(ExchangeState)
    rows = [["event", *(state.name for state in states)], ["---"] * (1 + len(states))]
    for event in Event:
        cells = [TRANSITIONS[state][event] for state in states]
        rows.append([event.value, *(_CELLS[cell] if isinstance(cell, Outcome) else cell.name for cell in cells)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def written(text: str) -> str:
    """Return the page with the current table."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE} has no place for the table: it stands between {BEGIN.strip()} and {END.strip()}")
    return f"{before}{begin}\n{table()}\n{end}{after}"


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    text = PAGE.read_text(encoding="utf-8")
    fresh = written(text)
    if text == fresh:
        return 0
    if "--check" in arguments:
        print(f"{PAGE.name} is out of date: run python -m tools.state_table")  # the caller's terminal
        return 1
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
