"""The prepared catalogue is the parsed one, and a file that is not is passed over."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from consent_mw import catalogue
from consent_mw.catalogue import prepared

FOLDER = Path(catalogue.__file__).parent
#: Loads the catalogue of a copy, and says where it is from, what it knows, and whether TOML was read.
PROBE = """
import sys
from consent_mw import catalogue
services = catalogue.load()
print(catalogue.__file__, "google-analytics" in services, services["sample"].name if "sample" in services else "-",
      "tomllib" in sys.modules, sep="\\n")
"""
SAMPLE = """
[[services]]
id = "sample"
name = "Sample"
vendor = "Sample Ltd"
purposes = ["analytics"]
hosts = ["sample.example"]
country = "GB"
policy = "https://sample.example/privacy"
snippet = "<script src=https://sample.example/a.js></script>"
description.en = "Counts."
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the package, with a small catalogue, so that a test may change it."""
    ignored = shutil.ignore_patterns("__pycache__", "*.toml", prepared.FILE)
    shutil.copytree(FOLDER.parent, tmp_path / "consent_mw", ignore=ignored)
    (tmp_path / "consent_mw/catalogue/services/sample.toml").write_text(SAMPLE, encoding="utf-8")
    return tmp_path


def start(copy: Path) -> tuple[str, bool]:
    """Load the copy's catalogue in a fresh process; return the name of the sample and whether TOML was read."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=True, timeout=60, env=environ)
    home, _, name, parsed = done.stdout.splitlines()
    assert home.startswith(str(copy))
    return name, parsed == "True"


def kept(copy: Path) -> Path:
    """Return where a checkout keeps the prepared form."""
    return copy / "consent_mw/catalogue/__pycache__" / prepared.FILE


def opened(folder: Path, content: bytes, made_from: str) -> object:
    """Return what a start makes of a prepared file with this content."""
    file = folder / prepared.FILE
    file.write_bytes(content)
    return prepared.open_file(file, made_from)


def test_what_is_read_is_what_was_written() -> None:
    """Each service of the catalogue comes back with the same values of the same types, in the same order."""
    parsed = catalogue.parse_sources(dict(catalogue.each_source(FOLDER)))
    read = prepared.read(prepared.dump(parsed.values(), "x"))
    assert (list(read), repr(list(read.values()))) == (list(parsed), repr(list(parsed.values())))


def test_a_file_made_from_something_else_does_not_count(tmp_path: Path) -> None:
    """A prepared file of another catalogue, or of another format, is none."""
    content = prepared.dump((), "x")
    assert opened(tmp_path, content, "x") is not None
    other = content.replace(b" 3 ", b" 4 ", 1)
    assert (opened(tmp_path, content, "y"), opened(tmp_path, other, "x")) == (None, None)


@pytest.mark.parametrize("content", [b"", b"\n", b"consent_mw", b"\xff\n[]"])
def test_a_foreign_file_does_not_count(tmp_path: Path, content: bytes) -> None:
    """What is no prepared file is none."""
    assert opened(tmp_path, content, "x") is None


def test_a_damaged_file_does_not_count(tmp_path: Path) -> None:
    """A prepared file that was cut anywhere, or in which a byte changed, is none."""
    content = prepared.dump(list(catalogue.load().values())[:1], "x")
    cut = [opened(tmp_path, content[:end], "x") for end in range(0, len(content), 7)]
    changed = [
        opened(tmp_path, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :], "x")
        for at in range(0, len(content), 7)
    ]
    assert set(map(type, [*cut, *changed])) == {type(None)}


def test_a_second_start_parses_nothing(copy: Path) -> None:
    """The first start of a checkout parses and keeps; the second reads what was kept."""
    assert (start(copy), start(copy)) == (("Sample", True), ("Sample", False))


def test_an_edit_is_seen(copy: Path) -> None:
    """A start after an edit parses again, even if the edit left size and time of the file as they were."""
    start(copy)
    file = copy / "consent_mw/catalogue/services/sample.toml"
    times = file.stat()
    file.write_text(SAMPLE.replace('"Sample"', '"Simple"'), encoding="utf-8")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert start(copy) == ("Simple", True)


def test_a_damaged_file_is_made_again(copy: Path) -> None:
    """A start that finds a damaged file parses, and leaves a good one."""
    start(copy)
    kept(copy).write_bytes(kept(copy).read_bytes()[:-3])
    assert (start(copy), start(copy)) == (("Sample", True), ("Sample", False))


def test_a_place_that_cannot_be_written_fails_nothing(copy: Path) -> None:
    """Where nothing can be kept, each start parses."""
    (copy / "consent_mw/catalogue/__pycache__").write_text("in the way", encoding="utf-8")
    assert (start(copy), start(copy)) == (("Sample", True), ("Sample", True))
    assert not list(copy.rglob(f"{prepared.FILE}*"))


def test_nothing_but_the_file_is_left(copy: Path) -> None:
    """Keeping leaves no half-written file behind."""
    start(copy)
    assert [path.name for path in kept(copy).parent.iterdir() if path.suffix != ".pyc"] == [prepared.FILE]


def test_an_installation_reads_what_its_wheel_brought(copy: Path) -> None:
    """A file beside the TOML files is read, and nothing is kept besides."""
    catalogue.prepare(copy / "consent_mw/catalogue")
    assert (start(copy), kept(copy).exists()) == (("Sample", False), False)
