"""The static files: where they are found, how they are named, and what is done to them."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from consent_mw.errors import ConsentError
from consent_mw.notice import assets
from consent_mw.notice.assets import Assets
from tests.web.doubles import ASSETS


def folder(tmp_path: Path, **files: str) -> Path:
    """Return a folder with the files; a double underscore in a name stands for the dot."""
    (tmp_path / "built").mkdir(exist_ok=True)
    for name, text in files.items():
        place = tmp_path / "built" if name.endswith("__js") else tmp_path
        (place / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_path_changes_with_the_content(tmp_path: Path) -> None:
    """Two contents of one file have two addresses, so a cached copy is never stale."""
    first = Assets(folder(tmp_path, a__js="one()")).path("a.js")
    second = Assets(folder(tmp_path, a__js="two()")).path("a.js")
    assert re.fullmatch(r"assets/a\.[0-9a-f]{8}\.js", first)
    assert first != second


def test_a_path_finds_its_content_and_type() -> None:
    """What ``path`` names, ``find`` gives back with its type."""
    found = ASSETS.find(ASSETS.path("pages.css"))
    assert found == (ASSETS.read("pages.css"), "text/css; charset=utf-8")


@pytest.mark.parametrize("path", ["assets/pages.css", "assets/pages.00000000.css", "", "../setup.cfg", "assets/i18n"])
def test_nothing_else_is_found(path: str) -> None:
    """A name without the right hash, or of anything but an asset, finds nothing."""
    assert ASSETS.find(path) is None


def test_integrity_is_the_digest_of_what_is_served() -> None:
    """The integrity metadata is SHA-384 of the served bytes."""
    digest = hashlib.sha384(ASSETS.read("runtime.js")).digest()
    assert ASSETS.integrity("runtime.js") == "sha384-" + base64.b64encode(digest).decode()


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    """An incomplete installation is an error that names the file and the remedy."""
    with pytest.raises(ConsentError, match=r"'runtime\.js' is missing from .*: install consent_mw again"):
        Assets(tmp_path).read("runtime.js")


def test_only_known_endings_are_served(tmp_path: Path) -> None:
    """A stray file in the folder has no address."""
    stray = Assets(folder(tmp_path, notes__txt="private", a__svg="<svg/>"))
    assert stray.find(stray.path("a.svg")) == (b"<svg/>", "image/svg+xml")
    with pytest.raises(ConsentError):
        stray.path("notes.txt")


def test_a_static_folder_beside_an_installed_package_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stray site-packages/static is refused: only a checkout, known by its setup.cfg, has one beside the package."""
    package = tmp_path / "consent_mw"
    package.mkdir()
    (tmp_path / "static").mkdir()
    monkeypatch.setattr(assets, "files", lambda name: package)
    with pytest.raises(ConsentError, match="install consent_mw again"):
        assets.root.__wrapped__()
    (tmp_path / "setup.cfg").touch()
    assert assets.root.__wrapped__() == tmp_path / "static"


def test_the_packed_folder_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package uses the folder inside it."""
    package = tmp_path / "consent_mw"
    (package / "static").mkdir(parents=True)
    monkeypatch.setattr(assets, "files", lambda name: package)
    assert assets.root.__wrapped__() == package / "static"


def test_a_source_of_a_script_is_not_served(tmp_path: Path) -> None:
    """Only what was built is: the source beside it has no address."""
    (tmp_path / "a.js").write_text("// a comment")
    with pytest.raises(ConsentError):
        Assets(tmp_path).path("a.js")


def test_armour_makes_every_declaration_important_in_one_layer() -> None:
    """No declaration is left that a page could override."""
    sheet = "/* note */ .a { color: red; margin: 0 }\n@media print { .a:hover > b { --x: 1px; } }"
    expected = "@layer cmw{.a{color:red!important;margin:0!important}@media print{.a:hover>b{--x:1px!important}}}"
    assert assets.armour_css(sheet) == expected


def test_a_missing_text_is_taken_from_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A language that lacks a text still says something."""
    (tmp_path / "i18n").mkdir()
    (tmp_path / "i18n" / "en.json").write_text('{"a": "A", "b": "B"}')
    (tmp_path / "i18n" / "xx.json").write_text('{"a": "X"}')
    monkeypatch.setattr(assets, "root", lambda: tmp_path)
    assert assets.texts.__wrapped__()["xx"] == {"a": "X", "b": "B"}


@pytest.mark.parametrize("content", ["[]", '{"a": 1}'])
def test_a_broken_language_file_is_an_error(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of texts that is something else is told at start-up."""
    (tmp_path / "i18n").mkdir()
    (tmp_path / "i18n" / "en.json").write_text(content)
    monkeypatch.setattr(assets, "root", lambda: tmp_path)
    with pytest.raises(ConsentError, match=r"en\.json is not a mapping of texts"):
        assets.texts.__wrapped__()


def test_english_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the language that all others fall back to, nothing starts."""
    (tmp_path / "i18n").mkdir()
    (tmp_path / "i18n" / "de.json").write_text("{}")
    monkeypatch.setattr(assets, "root", lambda: tmp_path)
    with pytest.raises(ConsentError, match="texts in 'en' are missing"):
        assets.texts.__wrapped__()
