"""
Build the scripts for browsers: ``python -m tools.build_scripts``; with ``--check`` only compare.

The sources are ``static/*.js``. From them terser produces the served files ``static/built/*.js``, without comments and
with short names. The output is committed, so neither a checkout nor an installation needs Node.js. The version of
terser is pinned in ``tests/npm/package-lock.json`` and installed by ``.ci/npm``; the same version produces the same
bytes.

A source may include parts: lines of the form ``// (part.js)``. :data:`SCRIPTS` lists the parts of each script; other
parts are left out. A string ``'(sheet.css)'`` is replaced by that style sheet in its served form.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from consent_mw.notice.assets import armour_css

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "static"
BUILT = SOURCES / "built"
TERSER = ROOT / "tests" / "npm" / "node_modules" / "terser" / "bin" / "terser"

#: The source and the parts of each served script, by name.
SCRIPTS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "guard.js": ("guard.js", ()),
        "hosts.js": ("hosts.js", ()),
        "library.js": ("library.js", ()),
        "placeholder.js": ("placeholder.js", ()),
        "queue.js": ("queue.js", ()),
        "release.js": ("release.js", ("replay.js", "libraries.js")),
        "later.js": ("runtime.js", ("later.js",)),
        "runtime.js": ("runtime.js", ()),
        "shared.js": ("runtime.js", ("later.js", "shared.js")),
        "signals.js": ("signals.js", ()),
        "taking.js": ("runtime.js", ("later.js", "taking.js")),
    }
)

#: Inline copies have the charset of the page, so the output must be ASCII.
_OPTIONS = (
    *("--ecma", "2020", "--toplevel", "--mangle"),
    *("--compress", "passes=3,ecma=2020"),
    *("--format", "ascii_only=true,inline_script=true,ecma=2020"),
)
#: The names that the two halves of the runtime share. They are replaced by letters, in this order, since first visits
#: download the first half.
_KIT = """
    allows at check clicks control find held leave load on once open ours own parsed plain putBack release send setting
    state tabs trust walk watch
"""
_SHORT = {name: chr(ord("a") + number) for number, name in enumerate(_KIT.split())}
_OF_KIT = re.compile(r"\bkit\.(\w+)")
#: The object that has them, and the names in it.
_KIT_ITSELF = re.compile(r"\bconst kit = \{.*?^  \};", re.DOTALL | re.MULTILINE)
_IN_KIT = re.compile(r"^    (\w+):", re.MULTILINE)
_PLACE = re.compile(r"^[ \t]*// \(([\w-]+\.js)\)\n", re.MULTILINE)
#: A string to replace by a style sheet in its served form.
_SHEET = re.compile(r"'\(([\w-]+\.css)\)'")


class BuildError(Exception):
    """A script cannot be built."""


def source_of(name: str) -> str:
    """Return the full source of a script, including its parts."""
    main, parts = SCRIPTS[name]

    def part(place: re.Match[str]) -> str:
        return (SOURCES / place[1]).read_text(encoding="ascii") if place[1] in parts else ""

    def sheet(place: re.Match[str]) -> str:
        return json.dumps(armour_css((SOURCES / place[1]).read_text(encoding="ascii")))

    source = _PLACE.sub(part, (SOURCES / main).read_text(encoding="ascii"))
    source = _KIT_ITSELF.sub(lambda kit: _IN_KIT.sub(lambda found: f"    {_SHORT[found[1]]}:", kit[0]), source)
    return _SHEET.sub(sheet, _OF_KIT.sub(lambda found: f"kit.{_SHORT[found[1]]}", source))


def built(name: str) -> str:
    """
    Return the script in its served form.

    Raises:
        BuildError: if terser is missing, or rejects the source.
    """
    if not TERSER.is_file():
        raise BuildError(f"terser is missing from {TERSER.parent.parent}: run .ci/npm (it needs npm)")
    command = ["node", str(TERSER), *_OPTIONS]
    done = subprocess.run(  # noqa: S603 (a pinned program, fixed options)
        command, input=source_of(name), capture_output=True, encoding="utf-8", check=False, timeout=120
    )
    if done.returncode:
        raise BuildError(f"{name}: {done.stderr.strip()}")
    # Using one keyword compresses better than using two.
    return re.sub(r"\bconst\b", "let", done.stdout.strip()) + "\n"


def stale() -> list[str]:
    """Return the names of scripts whose built file is missing, outdated, or no longer has a source."""
    found = {path.name: path.read_text(encoding="ascii") for path in BUILT.glob("*")}
    return sorted({name for name in SCRIPTS if found.get(name) != built(name)} | (found.keys() - SCRIPTS.keys()))


def main(arguments: list[str] | None = None) -> int:
    """Build every script, or compare; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.build_scripts", description="Build static/built/.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a built file is not up to date")
    try:
        if parser.parse_args(arguments).check:
            outdated = stale()
            if outdated:
                names = ", ".join(outdated)
                print(f"not up to date in static/built: {names}. Run python -m tools.build_scripts", file=sys.stderr)
            return 1 if outdated else 0
        BUILT.mkdir(exist_ok=True)
        for path in BUILT.glob("*"):
            if path.name not in SCRIPTS:
                path.unlink()
        for name in SCRIPTS:
            (BUILT / name).write_text(built(name), encoding="ascii")
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
