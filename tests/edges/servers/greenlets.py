"""
Serve a site from greenlets: ``python greenlets.py gevent|eventlet before|after FOLDER``.

``after`` acts like a server that loads the site first: it forks, and only the child replaces threads by greenlets. The
port is printed once the site is served.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any


def patch(kind: str) -> None:
    """Replace threads by greenlets."""
    if kind == "gevent":
        import_module("gevent.monkey").patch_all()
    else:
        import_module("eventlet").monkey_patch()


def serve(kind: str, app: Any) -> None:
    """Serve the site on a free port, and print the port."""
    if kind == "gevent":
        server = import_module("gevent.pywsgi").WSGIServer(("127.0.0.1", 0), app, log=None)
        server.start()
        print(server.server_port, flush=True)
        server.serve_forever()
    else:
        eventlet = import_module("eventlet")
        listener = eventlet.listen(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        import_module("eventlet.wsgi").server(listener, app, log_output=False)


def at_once(kind: str, work: Any) -> list[str]:
    """Return what two greenlets of a pool return."""
    module = import_module("gevent.pool" if kind == "gevent" else "eventlet")
    pool = module.Pool(2) if kind == "gevent" else module.GreenPool(2)
    return list(pool.imap(work, range(2)))


def main(kind: str, when: str, folder: str) -> None:
    """Load the site and serve it."""
    if when == "before":
        patch(kind)
    from werkzeug.test import Client

    from consent_mw import ConsentMiddleware

    def part(number: int) -> str:
        headers = {"Accept": "text/html", "Sec-Fetch-Dest": "document"}
        return Client(site).get(f"/part/{number}", base_url="http://localhost", headers=headers).text

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        if environ["PATH_INFO"] == "/parts":
            return [b"<!doctype html><title>x</title><body>", *(one.encode() for one in at_once(kind, part))]
        tag = b"<script src=https://www.google-analytics.com/analytics.js></script>"
        return [b"<!doctype html><title>x</title><body><h1>Hello</h1>" + tag + b"</body>"]

    site = ConsentMiddleware(app, {"site": {"records": f"sqlite:///{folder}/consent.db", "isp": "off"}})
    if when == "after":
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        patch(kind)
    serve(kind, site)


if __name__ == "__main__":
    main(*sys.argv[1:4])
