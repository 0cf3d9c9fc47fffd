"""The documentation site: it builds in strict mode, and each version has its folder."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.publish_docs import publish

ROOT = Path(__file__).resolve().parents[2]
SITE_FILES = ("mkdocs.yml", "docs", "consent_mw")


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of the files in a folder."""
    return subprocess.run(
        [ROOT / ".venv" / "bin" / "zensical", "build", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    """No link is broken, and the API page documents the public names."""
    for name in SITE_FILES:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    done = build(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "build" / "site" / "api" / "index.html").read_text(encoding="utf-8")
    assert all(name in page for name in ("ConsentMiddleware", "ConsentASGIMiddleware", "open_records"))


@pytest.mark.slow
def test_broken_links_stop_the_build(tmp_path: Path) -> None:
    """With our settings, the build of a site of two pages fails for a missing page and for a missing heading."""
    settings, _, _ = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")
    (tmp_path / "mkdocs.yml").write_text(settings, encoding="utf-8")
    pages = tmp_path / "docs"
    pages.mkdir()
    (pages / "index.md").write_text("# Start\n\n[other](other.md#known)\n", encoding="utf-8")
    other = pages / "other.md"
    other.write_text("# Other\n\n## Known\n", encoding="utf-8")
    assert build(tmp_path).returncode == 0
    other.write_text(
        "# Other\n\n## Known\n\n[broken](nowhere.md) and [broken](index.md#no-such-heading)\n", encoding="utf-8"
    )
    done = build(tmp_path)
    assert done.returncode != 0
    assert "2 issues found" in done.stdout + done.stderr


def test_the_newest_release_is_what_readers_get(tmp_path: Path) -> None:
    """The newest version is listed first, and the start page redirects to the newest release."""
    built, folder = tmp_path / "built", tmp_path / "site"
    built.mkdir()
    folder.mkdir()
    (built / "index.html").write_text("page", encoding="utf-8")
    for version in ("main", "v0.9.0", "v0.10.0"):
        publish(built, folder, version)
    listed = json.loads((folder / "versions.json").read_text(encoding="utf-8"))
    assert [one["version"] for one in listed] == ["v0.10.0", "v0.9.0", "main"]
    assert "url=v0.10.0/" in (folder / "index.html").read_text(encoding="utf-8")


def test_what_is_no_version_is_refused(tmp_path: Path) -> None:
    """A branch or a path cannot become a folder of the site."""
    with pytest.raises(ValueError, match="publish main, or a release"):
        publish(tmp_path, tmp_path, "../v1.0.0")
