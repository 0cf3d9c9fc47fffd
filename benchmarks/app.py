"""
The site whose responses are timed, bare and wrapped, with Flask (``make("wsgi", True)``) and with Starlette ("asgi").

* ``/text`` returns a prepared page of 50 KB, so that nearly all of the time is spent in the server and in our layer.
* ``/template`` renders its 50 KB from a list, like most pages, with the time of day, so that no two are identical.
* ``/json`` returns 1 KB, ``/static-file`` a file of 10 KB, and ``/stream`` a page of 500 KB in pieces.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import jinja2

from benchmarks.pages import make_page

SIZE = 50_000
_HTML = "text/html; charset=utf-8"
_JSON = {"items": ["x" * 20] * 42}
_PIECE = 16_384
#: Any file of about 10 KB.
_STATIC = Path(__file__).parent / "pages.py"

_CARD = """<article class="card" id="item-{{ item.id }}"><a class="card__link" href="/shop/{{ item.slug }}?ref=list">
<img loading="lazy" width="640" height="427" src="/media/{{ item.slug }}.jpg" alt="{{ item.name }}">
<h3>{{ item.name|title }}</h3></a>{% if item.old_price %}<del>{{ "%.2f"|format(item.old_price) }}</del>{% endif %}
<p>{{ item.text }}</p><button type="submit" onclick="return basket.add({{ item.id }})">Add</button></article>
"""
_HEAD, _, _REST = make_page(6_000).decode().partition("<main>")
_FOOT = _REST[_REST.index("</main>") :]
_TEMPLATE = _HEAD + "<main><p>{{ now }}</p>{% for item in items %}" + _CARD + "{% endfor %}" + _FOOT
_ITEMS = [
    {
        "id": number,
        "slug": f"print-{number}",
        "name": f"summer print & frame {number}",
        "old_price": number * 1.5 if number % 3 else None,
        "text": "A quiet picture for a bright room, on paper that keeps its colour. " * 2,
    }
    for number in range(102)
]


def make(kind: str, wrapped: bool) -> Any:
    """Return the site for a kind of server, bare or wrapped."""
    site: Any = _starlette() if kind == "asgi" else _flask()
    if not wrapped:
        return site
    # A bare site does not load what its cost is compared with.
    import consent_mw

    config = {"site": {"records": os.environ["BENCH_RECORDS"], "isp": "off"}}
    wrap = consent_mw.ConsentASGIMiddleware if kind == "asgi" else consent_mw.ConsentMiddleware
    return wrap(site, config)


def _pieces(page: bytes) -> Iterator[bytes]:
    for at in range(0, len(page), _PIECE):
        yield page[at : at + _PIECE]


def _flask() -> flask.Flask:
    site = flask.Flask("benchmarks")
    text, long = make_page(SIZE), make_page(10 * SIZE)

    @site.get("/text")
    def show_text() -> flask.Response:
        return flask.Response(text, content_type=_HTML)

    @site.get("/template")
    def show_template() -> str:
        return flask.render_template_string(_TEMPLATE, items=_ITEMS, now=time.time())

    @site.get("/json")
    def show_json() -> flask.Response:
        return flask.jsonify(_JSON)

    @site.get("/static-file")
    def show_static() -> flask.Response:
        return flask.send_file(_STATIC, mimetype="text/javascript", max_age=3600)

    @site.get("/stream")
    def show_stream() -> flask.Response:
        return flask.Response(_pieces(long), content_type=_HTML)

    return site


def _starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import FileResponse
    from starlette.responses import JSONResponse
    from starlette.responses import Response
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    text, long = make_page(SIZE), make_page(10 * SIZE)
    template = jinja2.Environment(autoescape=True).from_string(_TEMPLATE)

    async def show_text(request: Request) -> Response:
        return Response(text, headers={"content-type": _HTML})

    async def show_template(request: Request) -> Response:
        return Response(template.render(items=_ITEMS, now=time.time()), headers={"content-type": _HTML})

    async def show_json(request: Request) -> Response:
        return JSONResponse(_JSON)

    async def show_static(request: Request) -> Response:
        return FileResponse(_STATIC, media_type="text/javascript")

    async def show_stream(request: Request) -> Response:
        return StreamingResponse(_pieces(long), headers={"content-type": _HTML})

    shown = {
        "/text": show_text,
        "/template": show_template,
        "/json": show_json,
        "/static-file": show_static,
        "/stream": show_stream,
    }
    return Starlette(routes=[Route(path, answer) for path, answer in shown.items()])
