"""
Our own pages under the mount: which requests are for them, and how every kind of edge gets their responses.

The pages are a WSGI application (:mod:`consent_mw.web.app`); other edges pass in a complete request.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from consent_mw.core.model import Site
from consent_mw.http.forwarded import forwarded
from consent_mw.http.forwarded import under
from consent_mw.http.headers import Headers
from consent_mw.http.request import RequestHead
from consent_mw.notice.wording import choose_language

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

    from consent_mw.web.context import WebContext

#: The resource that declares support for Global Privacy Control (section 4.3 of that specification).
GPC_PATH = "/.well-known/gpc.json"

#: The most bytes of a request body that an edge reads. Our forms are far smaller; larger bodies are refused.
MOST_INPUT = 65_536

#: Held while a Flask application is created, for any site of the process. Flask compiles its routes with :mod:`ast`,
#: and CPython 3.11 counts the recursion depth per process, so two threads at once may fail with a SystemError.
_MAKING = Lock()

_NOT_ASCII = re.compile("[^\x00-\x7f]")

#: Status, headers and body of one of our pages.
Answer = tuple[int, Headers, bytes]


class MountedPages:
    """
    Our own pages of one site; shared by its threads.

    Args:
        site: The configuration.
        context: The parts that the pages need.
    """

    def __init__(self, site: Site, context: WebContext) -> None:
        self._mount = site.mount
        self._proxies = site.trusted_proxies
        self._context = context
        self._made: WSGIApplication | None = None

    @property
    def _app(self) -> WSGIApplication:
        """The application; created for the first request, since many workers never get one."""
        if self._made is None:
            with _MAKING:
                if self._made is None:
                    from consent_mw.web.app import create_app  # here: it imports Flask, which takes 0.1 s

                    self._made = create_app(self._context).wsgi_app
        return self._made

    def owns(self, path: str, script_name: str) -> bool:
        """Return whether a request for ``path`` (without the script name) is for one of our pages."""
        # RFC 8615: well-known paths are at the root of the host, so there must be no script name.
        return path == self._mount or path.startswith(self._mount + "/") or (path == GPC_PATH and not script_name)

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request for one of our pages, as a WSGI application."""
        inner = dict(environ)
        said = forwarded(lambda name: str(environ.get(_variable(name), "")), self._proxies)
        inner["wsgi.url_scheme"] = said.scheme or environ["wsgi.url_scheme"]
        if said.host:
            inner["HTTP_HOST"] = said.host
        inner["SCRIPT_NAME"] = under(said.prefix, environ.get("SCRIPT_NAME", "")) + self._mount
        path = environ.get("PATH_INFO", "")
        inner["PATH_INFO"] = "/gpc.json" if path == GPC_PATH else path[len(self._mount) :] or "/"
        # A query may contain any bytes, but Werkzeug only decodes UTF-8, and what is percent-encoded.
        inner["QUERY_STRING"] = _NOT_ASCII.sub(lambda found: f"%{ord(found[0]):02X}", environ.get("QUERY_STRING", ""))
        return self._app(inner, start_response)

    def whole(self, head: RequestHead, variables: Mapping[str, object], body: bytes) -> Answer:
        """
        Answer a request for one of our pages with a complete response.

        Args:
            variables: The request as CGI variables (RFC 3875, section 4.1).
            body: The request body, read to just beyond MOST_INPUT at most.
        """
        environ: WSGIEnvironment = {
            **variables,
            "REQUEST_METHOD": head.method,
            "PATH_INFO": head.path.encode("utf-8", "replace").decode("latin-1"),
            "QUERY_STRING": head.query,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": head.scheme,
            "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        if not environ.get("CONTENT_LENGTH"):
            environ["CONTENT_LENGTH"] = str(len(body))
        started: list[tuple[str, Headers]] = []

        def start_response(status: str, headers: Headers, exc_info: object = None) -> Callable[[bytes], object]:
            started[:] = [(status, headers)]
            return lambda data: None

        result = self.answer(environ, start_response)
        try:
            content = b"".join(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        status, headers = started[0]
        return int(status[:3]), headers, content

    def policy_html(self, lang: str, level: int, root: str, back: str) -> str:
        """
        Return the declaration of cookies as HTML that can be inserted into a page without escaping.

        Args:
            lang: The page's language; the closest one that the site offers is used.
            level: The level of the top headings, 1 to 4.
            root: The mount's full path.
            back: Path and query of the page, to which our own pages link back.
        """
        from consent_mw.web.declaration import policy_html  # imported late: it needs Flask

        site = self._context.site()
        return policy_html(
            site,
            choose_language(site, "", lang),
            root=root,
            today=self._context.today(),
            level=level,
            query=urlencode({"back": back}, safe="/") if back else "",
        )


def _variable(header: str) -> str:
    """Return the CGI variable for a header (RFC 3875, section 4.1.18)."""
    return "HTTP_" + header.upper().replace("-", "_")
