"""Flask-Admin, unchanged, with the Flask extension."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consent_mw.flask import Consent
from tests.edges.contract import ask_wsgi
from tests.edges.third_party.visitors import TRACKER
from tests.edges.third_party.visitors import Visitor
from tests.edges.third_party.visitors import asking
from tests.edges.third_party.visitors import changed
from tests.edges.third_party.visitors import expect_held_until_granted
from tests.edges.third_party.visitors import quiet
from tests.edges.third_party.visitors import remember_wsgi

PAGES = ("/admin/", "/admin/files/", "/admin/files/mkdir/", "/admin/files/upload/", "/admin/files/edit/?path=note.txt")
OTHERS = ("/admin/static/vendor/jquery.min.js", "/admin/static/bootstrap/bootstrap4/css/bootstrap.min.css")


def site(folder: Path, config: dict[str, object], *scripts: str) -> Visitor:
    """Return a visitor of an admin over a folder of files, which has one note."""
    from flask import Flask
    from flask_admin import Admin  # type: ignore[import-untyped]
    from flask_admin.contrib.fileadmin import FileAdmin  # type: ignore[import-untyped]

    class Files(FileAdmin):  # type: ignore[misc]
        extra_js = list(scripts)
        editable_extensions = ("txt",)

    files = folder / "files"
    files.mkdir()
    (files / "note.txt").write_text("hello", "utf-8")
    app = Flask("third_party")
    app.secret_key = "s" * 40
    admin = Admin(app, name="Shop")
    admin.add_view(Files(str(files), name="Files"))
    given: list[bytes] = []
    app.wsgi_app = remember_wsgi(app.wsgi_app, given)  # type: ignore[assignment,method-assign]
    Consent(app, config)
    return Visitor(ask_wsgi(app), given)


@pytest.mark.parametrize("settings", [quiet, asking])
def test_nothing_changes_where_nothing_is_held(tmp_path: Path, settings: Callable[..., Any]) -> None:
    """Its pages and files are byte for byte what Flask-Admin gave, once nobody has to be asked."""
    visitor = site(tmp_path, settings(tmp_path))
    if settings is asking:
        visitor.choose("accept-all")
    assert changed(visitor, (*PAGES, *OTHERS)) == []


@pytest.mark.parametrize("path", PAGES[1:])
def test_a_tracker_of_a_view_waits(tmp_path: Path, path: str) -> None:
    """A script that the view's own setting puts into its pages is held until the visitor agrees."""
    expect_held_until_granted(site(tmp_path, asking(tmp_path), TRACKER), path)


def test_its_forms_work(tmp_path: Path) -> None:
    """Making a folder, editing, uploading, downloading and deleting a file all work, without any consent."""
    visitor = site(tmp_path, asking(tmp_path), TRACKER)
    files = tmp_path / "files"
    assert visitor.post("/admin/files/mkdir/", {"name": "new", "path": ""}).status == 302
    assert (files / "new").is_dir()
    assert visitor.post("/admin/files/edit/?path=note.txt", {"content": "changed"}).status == 302
    assert (files / "note.txt").read_text("utf-8") == "changed"
    upload = (
        b'--b\r\nContent-Disposition: form-data; name="upload"; filename="up.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + bytes(range(256)) + b"\r\n--b--\r\n"
    )
    assert visitor.send("/admin/files/upload/", "POST", upload, "multipart/form-data; boundary=b").status == 302
    assert visitor.send("/admin/files/download/up.bin").body == bytes(range(256))
    assert visitor.post("/admin/files/delete/", {"path": "up.bin"}).status == 302
    assert sorted(path.name for path in files.iterdir()) == ["new", "note.txt"]
    assert "deleted" in visitor.page("/admin/files/")
