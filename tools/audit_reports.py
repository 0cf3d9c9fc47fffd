"""
Audit the demo and three real applications, bare and wrapped: ``python -m tools.audit_reports docs/audits docs/images``.

Writes two reports for each application into the first folder, and screenshots of the demo's two reports into the
second. The real applications are used as their packages provide them: a site built by MkDocs with its setting for
Google Analytics, and Datasette and Flask-Admin with scripts that an owner might add. Each is set up from its
pages, as by ``consent-mw init``, and then audited, as by ``consent-mw audit --browser --before --accept``. No other
host is contacted.

Needs Chromium and the ``audit`` extra (playwright); ``CONSENT_MW_CHROMIUM`` names another browser.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sqlite3
import sys
import tempfile
import tomllib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import ExitStack
from contextlib import closing
from contextlib import contextmanager
from datetime import UTC
from datetime import date
from datetime import datetime
from pathlib import Path
from typing import Any
from typing import NamedTuple

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from consent_mw import config
from consent_mw.audit.browser import LivePlan
from consent_mw.audit.browser import browse
from consent_mw.audit.browser_findings import add_browser
from consent_mw.audit.browser_start import launched
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.findings import reached
from consent_mw.audit.findings import report_of
from consent_mw.audit.first_config import Facts
from consent_mw.audit.first_config import first_config
from consent_mw.audit.formats import written
from consent_mw.audit.pages import Reader
from consent_mw.audit.passes import UNTOUCHED
from consent_mw.audit.passes import Limits
from consent_mw.audit.passes import walk
from consent_mw.audit.routes import every_route
from consent_mw.audit.targets import APP_ORIGIN
from consent_mw.audit.targets import AppTarget
from consent_mw.audit.targets import Bounds
from consent_mw.audit.targets import is_asgi

GTAG = "https://www.googletagmanager.com/gtag/js?id=G-AAAAA11111"
HOTJAR = "https://static.hotjar.com/c/hotjar-1.js"
#: The port of the demo's tracker farm, which does not run here.
_FARM = 8001
_WINDOW = {"width": 1000, "height": 760}


class Audited(NamedTuple):
    """The reports on an application, bare and wrapped, and its generated configuration."""

    bare: AuditReport
    wrapped: AuditReport
    toml: str


# -- the applications


def demo(_: Path) -> Any:
    """Return the demo's shop."""
    from demo_site.shop import create_app

    return create_app(_FARM)


def mkdocs(folder: Path) -> Any:
    """Return a site of two pages built by MkDocs, with its theme's own setting for Google Analytics."""
    from flask import Flask
    from flask import send_from_directory
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    pages, built = folder / "docs", folder / "site"
    pages.mkdir()
    (pages / "index.md").write_text("# Handbook\n\nHow it works. See [privacy](privacy.md).\n", encoding="utf-8")
    (pages / "privacy.md").write_text("# Privacy\n\nWhat we keep.\n", encoding="utf-8")
    (folder / "mkdocs.yml").write_text("site_name: Handbook\n", encoding="utf-8")
    theme = {"name": "mkdocs", "analytics": {"gtag": "G-AAAAA11111"}}
    build(load_config(str(folder / "mkdocs.yml"), docs_dir=str(pages), site_dir=str(built), theme=theme))
    app = Flask("handbook", static_folder=None)

    def file(path: str) -> Any:
        return send_from_directory(built, path + "index.html" if not path or path.endswith("/") else path)

    app.add_url_rule("/", "home", lambda: file(""))
    app.add_url_rule("/<path:path>", "file", file)
    return app


def datasette(folder: Path) -> Any:
    """Return a Datasette with two prints, to whose pages the owner has added Google Analytics."""
    from datasette.app import Datasette  # type: ignore[import-untyped]

    file = folder / "shop.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("create table prints (id integer primary key, name text)")
        database.execute("insert into prints (name) values ('Summer'), ('Winter')")
    return Datasette([str(file)], metadata={"title": "Prints", "extra_js_urls": [GTAG]}, secret="s" * 40).app()


def flask_admin(folder: Path) -> Any:
    """Return a Flask-Admin for a folder of files, to whose pages the owner has added Hotjar."""
    from flask import Flask
    from flask_admin import Admin  # type: ignore[import-untyped]
    from flask_admin.contrib.fileadmin import FileAdmin  # type: ignore[import-untyped]

    class Files(FileAdmin):  # type: ignore[misc]
        extra_js = [HOTJAR]

    files = folder / "files"
    files.mkdir()
    (files / "note.txt").write_text("hello", encoding="utf-8")
    app = Flask("admin")
    app.logger.disabled = True  # some of its pages fail without a parameter
    app.secret_key = "s" * 40
    Admin(app, name="Shop").add_view(Files(str(files), name="Files"))
    app.add_url_rule("/", "start", lambda: "<!doctype html><title>Shop</title><a href=/admin/files/>Files</a>")
    return app


APPLICATIONS: Mapping[str, Callable[[Path], Any]] = {
    "demo": demo,
    "mkdocs": mkdocs,
    "datasette": datasette,
    "flask-admin": flask_admin,
}


# -- the audits


@contextmanager
def wrapped(app: Any, described: Mapping[str, Any], folder: Path) -> Iterator[Any]:
    """Wrap an application in consent_mw, with its records in a folder."""
    site = {**described.get("site", {}), "records": f"sqlite:///{folder}/consent.db"}
    kind = ConsentASGIMiddleware if is_asgi(app) else ConsentMiddleware
    held = kind(app if is_asgi(app) else getattr(app, "wsgi_app", app), {**described, "site": site})
    try:
        yield held
    finally:
        held.engine.close()


def audited(name: str, app: Any, folder: Path, today: date, chromium: str | None) -> Audited:
    """
    Audit a bare application, configure consent_mw from the findings, and audit it again.

    Args:
        folder: The folder for its records.
        chromium: The path of the browser; empty to search for one, None to use none.
    """
    paths = ["/", *every_route(app)]
    reader = Reader(config.load({}))
    with closing(AppTarget(app, Bounds())) as target:
        bare = _look(name, target, reader, paths, today, chromium)
        pages = walk(target, reader, paths, Limits()).pages[UNTOUCHED]
    toml = first_config(pages, reader, Facts(name, controller="The owner"))
    described = tomllib.loads(toml)
    with wrapped(app, described, folder) as held, closing(AppTarget(held, Bounds())) as target:
        ours = _look(f"{name}, with consent_mw", target, Reader(config.load(described)), paths, today, chromium)
    ours.before = reached(bare)
    return Audited(bare, ours, toml)


def _look(
    name: str, target: AppTarget, reader: Reader, paths: list[str], today: date, chromium: str | None
) -> AuditReport:
    seen = walk(target, reader, paths, Limits(accept=True))
    report = report_of(name, seen, reader, today)
    if chromium is not None:
        found = [page.path for page in seen.pages[UNTOUCHED] if page.is_page]
        live = browse(target, found, LivePlan(accept=True), chromium)
        add_browser(report, live, reader, target.origin)
    return report


async def _pictures(reports: Path, folder: Path, chromium: str) -> None:
    """Take a screenshot of the top of each of the demo's reports."""
    async with launched(APP_ORIGIN, (), chromium) as browser:
        page = await browser.new_page(viewport=_WINDOW, color_scheme="light")  # type: ignore[arg-type]
        for kind in ("bare", "wrapped"):
            await page.set_content((reports / f"demo-{kind}.html").read_text(encoding="utf-8"))
            await page.screenshot(path=folder / f"audit-{kind}.png")


def main(arguments: list[str] | None = None) -> int:
    """Write the reports and the screenshots; return 1 if a wrapped application has an open finding."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit_reports", description="Audit the demo and three apps.")
    parser.add_argument("folder", type=Path, help="for the reports")
    parser.add_argument("pictures", type=Path, help="for the pictures of the demo's reports")
    parser.add_argument("--only", choices=APPLICATIONS, action="append", help="make the reports of this one anew")
    given = parser.parse_args(arguments)
    logging.getLogger("consent_mw").setLevel(logging.ERROR)
    given.folder.mkdir(parents=True, exist_ok=True)
    chromium, today = os.environ.get("CONSENT_MW_CHROMIUM", ""), datetime.now(UTC).date()
    status = 0
    for name in given.only or APPLICATIONS:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="consent-audit-")))
            found = audited(name, APPLICATIONS[name](folder), folder, today, chromium)
        for kind, report in (("bare", found.bare), ("wrapped", found.wrapped)):
            text = written(report, "html")
            (given.folder / f"{name}-{kind}.html").write_text(text, encoding="utf-8")
        before, now = reached(found.bare), reached(found.wrapped)
        print(
            f"{name}: {before.elements} elements before, {now.elements} now; {before.requests} requests to other hosts"
            f" before, {now.requests} now; open findings {len(found.bare.open)} before, {len(found.wrapped.open)} now"
        )
        status |= bool(found.wrapped.open)
    asyncio.run(_pictures(given.folder, given.pictures, chromium))
    return status


if __name__ == "__main__":
    sys.exit(main())
