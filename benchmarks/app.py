"""
The Flask site whose responses are timed, bare (``make_site``) and wrapped (``make_wrapped``).

``/text`` answers a ready text, so that nearly all of its time is the server's
and the layer's; ``/template`` makes its 50 KB from a list, as most pages are made.
"""

from __future__ import annotations

import os

import flask

from benchmarks.pages import make_page
from consent_mw import ConsentMiddleware

SIZE = 50_000

_CARD = """<article class="card" id="item-{{ item.id }}"><a class="card__link" href="/shop/{{ item.slug }}?ref=list">
<img loading="lazy" width="640" height="427" src="/media/{{ item.slug }}.jpg" alt="{{ item.name }}">
<h3>{{ item.name|title }}</h3></a>{% if item.old_price %}<del>{{ "%.2f"|format(item.old_price) }}</del>{% endif %}
<p>{{ item.text }}</p><button type="submit" onclick="return basket.add({{ item.id }})">Add</button></article>
"""
_HEAD, _, _REST = make_page(6_000).decode().partition("<main>")
_FOOT = _REST[_REST.index("</main>") :]
_TEMPLATE = _HEAD + "<main>{% for item in items %}" + _CARD + "{% endfor %}" + _FOOT
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


def make_site() -> flask.Flask:
    """Make the site as its owner wrote it."""
    site = flask.Flask("benchmarks")
    text = make_page(SIZE)

    @site.get("/text")
    def show_text() -> flask.Response:
        return flask.Response(text, mimetype="text/html")

    @site.get("/template")
    def show_template() -> str:
        return flask.render_template_string(_TEMPLATE, items=_ITEMS)

    return site


def make_wrapped() -> ConsentMiddleware:
    """Make the same site inside the middleware."""
    return ConsentMiddleware(make_site(), {"site": {"records": os.environ["BENCH_RECORDS"]}})
