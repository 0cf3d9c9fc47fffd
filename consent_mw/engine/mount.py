"""
The pages under the mount, for every kind of edge: which requests are for them, and how they are answered.

They are a WSGI application (:mod:`consent_mw.web.app`); an edge that is something else hands the request over whole.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
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

#: Where a site says that it honours Global Privacy Control (its section 4.3).
GPC_PATH = "/.well-known/gpc.json"

#: Bytes of a request to our own pages that an edge reads; their forms are far smaller, and more than this is refused.
MOST_INPUT = 65_536

#: Status, headers and body of a page of our own.
Answer = tuple[int, Headers, bytes]


class MountedPages:
    """
    Our own pages of one site; shared by its threads.

    Args:
        site: As it was configured.
        context: What the pages need.
    """

    def __init__(self, site: Site, context: WebContext) -> None:
        from consent_mw.web import create_app  # here, since it brings Flask and the edges must start without

        self._mount = site.mount
        self._proxies = site.trusted_proxies
        self._context = context
        self._app: WSGIApplication = create_app(context).wsgi_app

    def owns(self, path: str, script_name: str) -> bool:
        """Return whether a request for ``path`` (without the script name) is for one of them."""
        # RFC 8615: a well-known path is one at the root of the host, where no script name stands before it.
        return path == self._mount or path.startswith(self._mount + "/") or (path == GPC_PATH and not script_name)

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request for one of them, as a WSGI application."""
        inner = dict(environ)
        said = forwarded(lambda name: str(environ.get(_variable(name), "")), self._proxies)
        inner["wsgi.url_scheme"] = said.scheme or environ["wsgi.url_scheme"]
        if said.host:
            inner["HTTP_HOST"] = said.host
        inner["SCRIPT_NAME"] = under(said.prefix, environ.get("SCRIPT_NAME", "")) + self._mount
        path = environ.get("PATH_INFO", "")
        inner["PATH_INFO"] = "/gpc.json" if path == GPC_PATH else path[len(self._mount) :] or "/"
        return self._app(inner, start_response)

    def whole(self, head: RequestHead, variables: Mapping[str, object], body: bytes) -> Answer:
        """
        Answer a request for one of them, whole.

        Args:
            variables: The request's headers and surroundings by their names in CGI (RFC 3875, section 4.1).
            body: What the request brought, read up to MOST_INPUT and a little more.
        """
        environ: WSGIEnvironment = {
            **variables,
            "REQUEST_METHOD": head.method,
            "PATH_INFO": head.path.encode().decode("latin-1"),
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
        Return the declaration of cookies as a piece of HTML for a page of the application, safe as it is.

        Args:
            lang: The page's language; the site's nearest one is taken.
            level: Of the first headings, 1 to 4.
            root: The mount's full path.
            back: Path and query of the page, where our own pages lead back to.
        """
        from consent_mw.web.declaration import policy_html  # here, since it brings Flask

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
    """Return the name of a header in CGI (RFC 3875, section 4.1.18)."""
    return "HTTP_" + header.upper().replace("-", "_")
