"""Datasette (ASGI), unchanged, inside the middleware."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from consent_mw import ConsentASGIMiddleware
from tests.edges.contract import ask_asgi
from tests.edges.third_party.visitors import TRACKER
from tests.edges.third_party.visitors import Visitor
from tests.edges.third_party.visitors import asking
from tests.edges.third_party.visitors import changed
from tests.edges.third_party.visitors import expect_held_until_granted
from tests.edges.third_party.visitors import quiet
from tests.edges.third_party.visitors import remember_asgi

PAGES = ("/", "/shop", "/shop/prints", "/shop/prints/1", "/shop?sql=select+name+from+prints", "/-/versions")
OTHERS = ("/shop/prints.json", "/shop/prints.csv?_stream=1", "/-/static/app.css", "/-/static/table.js")
Open = Callable[..., tuple[Visitor, Any]]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Open]:
    """Return what opens a Datasette of two prints, with settings for consent_mw and metadata for Datasette."""
    from datasette.app import Datasette  # type: ignore[import-untyped]

    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("create table prints (id integer primary key, name text)")
        database.execute("insert into prints (name) values ('Summer'), ('Winter')")
    with asyncio.Runner() as runner:

        def opened(config: dict[str, object], **metadata: object) -> tuple[Visitor, Any]:
            given: list[bytes] = []
            datasette = Datasette([str(file)], metadata=metadata, secret="s" * 40)
            app = ConsentASGIMiddleware(remember_asgi(datasette.app(), given), config)
            return Visitor(ask_asgi(app, loop=runner.run), given), datasette

        yield opened


@pytest.mark.parametrize("settings", [quiet, asking])
def test_nothing_changes_where_nothing_is_held(site: Open, tmp_path: Path, settings: Callable[..., Any]) -> None:
    """Its pages and everything else are byte for byte what Datasette gave, once nobody has to be asked."""
    visitor, _ = site(settings(tmp_path))
    if settings is asking:
        visitor.choose("accept-all")
    assert changed(visitor, (*PAGES, *OTHERS)) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_tracker_from_its_metadata_waits(site: Open, tmp_path: Path, path: str) -> None:
    """A script that Datasette's own setting puts into each page is held until the visitor agrees."""
    visitor, _ = site(asking(tmp_path), extra_js_urls=[TRACKER])
    expect_held_until_granted(visitor, path)


def test_its_login_and_its_forms_work(site: Open, tmp_path: Path) -> None:
    """The owner logs in by the link, sends a form with its token, and logs out, without any consent."""
    visitor, datasette = site(asking(tmp_path), extra_js_urls=[TRACKER])
    visitor.send("/")  # Datasette makes its token at the first request
    assert visitor.send(f"/-/auth-token?token={datasette._root_token}").status == 302
    form = visitor.page("/-/logout")
    (token,) = re.findall(r'name="csrftoken" value="([^"]+)"', form)[:1]
    refused = visitor.post("/-/logout", {"csrftoken": "wrong"})
    assert (refused.status, visitor.post("/-/logout", {"csrftoken": token}).status) == (403, 302)
    assert "ds_actor" not in {name for name, value in visitor.cookies.items() if value.strip('"')}
