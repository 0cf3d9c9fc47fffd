"""
Refuse a release whose tag, version and changelog differ.

    python -m tools.release_check v1.2.3
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def problems(tag: str, project: str, changelog: str) -> list[str]:
    """
    Return the reasons why the tag must not be released.

    Args:
        tag: The git tag.
        project: The text of pyproject.toml.
        changelog: The text of CHANGELOG.md.
    """
    version = tomllib.loads(project)["project"]["version"]
    found = []
    if tag != f"v{version}":
        found.append(f"The tag is {tag!r}, but pyproject.toml has the version {version}: tag it as v{version}.")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}$", changelog, re.M):
        found.append(f"CHANGELOG.md has no dated entry for {version}: write '## [{version}] - YYYY-MM-DD'.")
    return found


def main(arguments: list[str]) -> int:
    """Print the problems; the exit status is 1 if there are any."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "CHANGELOG.md")]
    found = problems(arguments[0], *texts)
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
