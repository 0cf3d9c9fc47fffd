"""
Copy a built site into a folder with one site per version.

    python -m tools.publish_docs BUILT FOLDER VERSION

``FOLDER/VERSION`` becomes a copy of BUILT. ``FOLDER/versions.json``, which the version menu of the pages reads, lists
them, the newest release first. ``FOLDER/index.html`` leads to the newest release, or to ``main`` before the first one.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

_RELEASE = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
_START = """<!doctype html>
<meta charset="utf-8">
<title>consent_mw</title>
<meta http-equiv="refresh" content="0; url={0}/">
"""


def age(name: str) -> tuple[int, ...]:
    """Return a sort key for releases: the newest last, after names that are not releases."""
    found = _RELEASE.fullmatch(name)
    return tuple(int(part) for part in found.groups()) if found else ()


def publish(built: Path, folder: Path, version: str) -> None:
    """
    Add a version.

    Raises:
        ValueError: if the version is neither ``main`` nor a release.
    """
    if version != "main" and not age(version):
        raise ValueError(f"{version!r} is no version: publish main, or a release such as v1.2.3.")
    target = folder / version
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(built, target)
    names = sorted((path.name for path in folder.iterdir() if age(path.name)), key=age, reverse=True)
    current = names[0] if names else "main"
    listed = [{"version": name, "title": name, "aliases": ["latest"] if name == current else []} for name in names]
    if (folder / "main").is_dir():
        listed.append({"version": "main", "title": "main (not released)", "aliases": []})
    (folder / "versions.json").write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    (folder / "index.html").write_text(_START.format(current), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    publish(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
