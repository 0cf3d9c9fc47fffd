"""
The instructions per byte of a page that the scanner in C executes, counted by callgrind.

Times differ from machine to machine and from minute to minute. The number of instructions does not, as long as the
compiler is the same. So it is stored in addition to the ratios of :mod:`benchmarks.kept`, and compared like them.
Another compiler produces another number, so the tolerance for it is larger. Only the scanner's own functions are
counted.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path

from benchmarks.pages import make_page
from consent_mw.html import scan
from consent_mw.html.hold_policy import Edits
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.scan import WalkFlag
from consent_mw.html.syntax import Syntax
from consent_mw.html.tokens import TAG

SIZE = 50_000
#: A scan of HTML content, the same if relative URLs are harmless, and a page that was read before.
KINDS = ("skip", "skip_local", "walk")
STORED = Path(__file__).parent / "instructions.json"
#: The factors of the stored number above which a run fails, with the same compiler and with another one.
MOST, MOST_ELSEWHERE = 1.15, 1.6
#: Rules of every kind; with those of the catalogue the number would change with the catalogue.
_RULES = (["widgetbot"], ["/gtm.js", "/collect", "/matomo/"], [("data-embed", "film")])
HEAD = ("what", "instructions a byte")


def missing() -> str:
    """Return why counting is not possible, or an empty string."""
    if scan.Scanner is None:
        return "the scanner in C was not built"
    return "" if shutil.which("valgrind") else "valgrind is not installed"


def compiler() -> str:
    """Return the compiler and its major version, if its output contains it."""
    command = (sysconfig.get_config_var("CC") or "cc").split()[:1]
    if not shutil.which(command[0]):
        return "unknown"
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)\.\d+", said)
    return f"{said.split()[0]} {found[1]}" if found else "unknown"


def _scan(kind: str) -> None:
    """Scan the page once, stop by stop."""
    syntax, page = Syntax(*_RULES), make_page(SIZE)
    assert syntax.scanner is not None, "the scanner in C was not built"
    plans: dict[bytes, TagPlan | None] = {}
    pieces: dict[bytes, Edits] = {}
    if kind == "walk":
        # As if every tag and script had been seen before.
        plans = {found.group(): None for found in TAG.finditer(page) if not found.group(1)}
        pieces = {found.group(): Edits((), frozenset()) for found in re.finditer(rb"(?s)<script.*?(?=</script)", page)}
    at = 0
    while at < len(page):
        if kind == "walk":
            may = WalkFlag.LOCAL | WalkFlag.PIECES
            at = syntax.scanner.walk(page, at, may, plans, pieces, [], set(), 0)
        else:
            at = getattr(syntax.scanner, kind)(page, at)
        at += 1


def measure() -> dict[str, float]:
    """Count the instructions per byte for each kind."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            out = Path(folder, kind)
            command = ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--toggle-collect=scanner_{kind}"]
            command += [f"--callgrind-out-file={out}", sys.executable, "-m", "benchmarks.instructions", kind]
            subprocess.run(command, check=True, capture_output=True, timeout=600)
            total = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)
            assert total is not None, f"callgrind says nothing of {kind}"
            found[kind] = round(int(total[1]) / len(make_page(SIZE)), 3)
            assert found[kind] > 0, f"callgrind does not know scanner_{kind}: was the library stripped?"
    return found


def rows(found: Mapping[str, float]) -> list[tuple[str, ...]]:
    """Return the rows of the table, with the columns of :data:`HEAD`."""
    return [(kind, f"{number:.2f}") for kind, number in found.items()]


def worse(found: Mapping[str, float], stored: Mapping[str, float], *, same_compiler: bool) -> list[str]:
    """Return a message for each kind that takes too many instructions, or that is not stored."""
    most = MOST if same_compiler else MOST_ELSEWHERE
    lines = [f"{kind}: nothing is stored to compare with; run with --store" for kind in found.keys() - stored.keys()]
    for kind in sorted(found.keys() & stored.keys()):
        if found[kind] > stored[kind] * most:
            lines.append(f"{kind} takes {found[kind]:.2f} instructions a byte, and took {stored[kind]:.2f}")
    return lines


def quick(progress: Callable[[str], None], *, store: bool = False) -> int:
    """
    Compare with the stored numbers, print them, and return the exit status: 1 if one has increased too much.

    Args:
        store: Store the counted numbers instead.
    """
    if lacking := missing():
        print(f"instructions of the scanner in C: not counted, {lacking}")
        return 0
    progress("instructions of the scanner in C")
    found, with_ = measure(), compiler()
    for kind, number in rows(found):
        print(f"{kind:32} {number} instructions a byte ({with_})")
    if store:
        STORED.write_text(json.dumps({"compiler": with_, "counts": found}, indent=2) + "\n", encoding="utf-8")
        return 0
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    lines = worse(found, stored["counts"], same_compiler=stored["compiler"] == with_)
    for text in lines:
        print(text)
    return 1 if lines else 0


if __name__ == "__main__":
    _scan(sys.argv[1])
