"""Sites with planted faults, and their clean twins. Nothing here is ever fetched from another host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flask import Flask
from flask import Response

from consent_mw import ConsentMiddleware

#: A fault of each kind of markup: what stands in the page, and the service that it is for.
FAULTS: dict[str, tuple[str, str]] = {
    "script": ("<script src='https://www.googletagmanager.com/gtag/js?id=G-AAAAA11111'></script>", "google-analytics"),
    "inline": ("<script>!function(f){f.fbq=function(){}}(window);fbq('init','1')</script>", "meta-pixel"),
    "image": ("<img src=https://www.facebook.com/tr?id=1&noscript=1 width=1 height=1 alt=''>", "meta-pixel"),
    "noscript": (
        "<noscript><iframe src='https://www.googletagmanager.com/ns.html?id=GTM-ABC'></iframe></noscript>",
        "google-tag-manager",
    ),
    "frame": ("<iframe src=https://www.youtube.com/embed/abc></iframe>", "youtube"),
    "preconnect": ("<link rel=preconnect href=https://www.google-analytics.com>", "google-analytics"),
    "preload": ("<link rel=preload as=script href=https://static.hotjar.com/c/hotjar-1.js>", "hotjar"),
    "style": ("<style>body{background:url(https://www.facebook.com/tr?id=1)}</style>", "meta-pixel"),
    "entities": ("<script src='&#104;ttps://static.hotjar.com/c/hotjar-2.js'></script>", "hotjar"),
    "case": ("<SCRIPT SRC=HTTPS://CONNECT.FACEBOOK.NET/en_US/fbevents.js></SCRIPT>", "meta-pixel"),
    "srcdoc": ("<iframe srcdoc=\"<script src='https://www.clarity.ms/tag/x'></script>\"></iframe>", "clarity"),
    "svg": ("<svg><image href='https://www.facebook.com/tr?id=1'/></svg>", "meta-pixel"),
    "object": ("<object data=https://player.vimeo.com/video/1></object>", "vimeo"),
    "srcset": ("<img srcset='https://www.facebook.com/tr?id=1 1x' alt=''>", "meta-pixel"),
    "scheme-relative": ("<script src=//static.hotjar.com/c/hotjar-3.js></script>", "hotjar"),
    "first-party": ("<script src='/metrics/gtag/js?id=G-BBBBB22222'></script>", "google-analytics"),
    "looks-held": (
        "<img data-cmw-held=meta-pixel src='https://www.facebook.com/tr?id=9' alt=''>",
        "meta-pixel",
    ),
}  # fmt: skip

CONFIG: dict[str, object] = {
    "site": {"name": "Planted", "unknown": "suspects"},
    "services": [
        {"use": id_}
        for id_ in sorted({service for _, service in FAULTS.values()} | {"google-tag-manager"})
    ],
}  # fmt: skip


def page(inside: str, head: str = "") -> str:
    """Return a document."""
    return f"<!doctype html>\n<html lang=en><head><title>x</title>{head}</head>\n<body>\n{inside}\n</body></html>"


def faulty() -> Flask:
    """Return a site with each fault on a page of its own, and what else an audit should say something about."""
    app = Flask("planted", static_folder=None)

    def add(path: str, make: Callable[[], Response | str]) -> None:
        app.add_url_rule(path, endpoint=path, view_func=make)

    links = "".join(f"<a href=/{name}>{name}</a> " for name in FAULTS)
    add("/", lambda: page(links))
    for name, (markup, _) in FAULTS.items():
        add(f"/{name}", lambda markup=markup: page(markup))  # type: ignore[misc]

    def cookie() -> Response:
        answer = Response(page("a cookie"))
        answer.set_cookie("_fbp", "1", max_age=900 * 86_400)
        return answer

    def link() -> Response:
        return Response(page("a link"), headers={"Link": "<https://connect.facebook.net>; rel=preconnect"})

    add("/cookie", cookie)
    add("/link", link)
    add("/stranger", lambda: page("<script src=https://cdn.nobody-knows.example/lib.js></script>"))
    add("/tool", lambda: page("<script src=https://consent.cookiebot.com/uc.js data-cbid=1></script>"))
    return app


def clean() -> Flask:
    """Return a site of the same pages without any fault."""
    app = Flask("clean", static_folder=None)
    links = "".join(f"<a href=/{name}>{name}</a> " for name in FAULTS)
    app.add_url_rule("/", endpoint="home", view_func=lambda: page(links))
    for name in FAULTS:
        app.add_url_rule(f"/{name}", endpoint=name, view_func=lambda name=name: page(f"<p>{name}</p>"))
    return app


def wrapped(app: Flask, folder: Path) -> ConsentMiddleware:
    """Return a site with consent_mw around it, set up for :data:`CONFIG`."""
    site = {"name": "Planted", "unknown": "suspects", "records": f"sqlite:///{folder}/consent.db"}
    return ConsentMiddleware(app.wsgi_app, {**CONFIG, "site": site})
