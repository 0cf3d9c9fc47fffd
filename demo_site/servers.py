"""Small loopback servers that start at once, do not log requests and can be stopped."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from werkzeug.serving import WSGIRequestHandler
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from types import TracebackType
    from wsgiref.types import WSGIApplication

LOOPBACK = "127.0.0.1"
_PORTS_TO_TRY = 50


class _QuietHandler(WSGIRequestHandler):
    """A handler that does not log requests; errors are still printed."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Do not log a request."""


class Server:
    """
    A threaded server on the loopback address, running from the start.

    Args:
        app: The WSGI application to serve.
        port: The port, or 0 for any free one.

    Raises:
        OSError: if the port is in use.
    """

    def __init__(self, app: WSGIApplication, port: int = 0) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((LOOPBACK, port))
            listener.listen(128)
            # Pass the socket as a descriptor, since werkzeug exits the process if a port is in use.
            self._server = make_server(
                LOOPBACK, port, app, threaded=True, request_handler=_QuietHandler, fd=listener.fileno()
            )
        finally:
            listener.close()
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop accepting requests and release the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve_near(app: WSGIApplication, wanted: int) -> Server:
    """
    Serve on port ``wanted`` or on the next free one; 0 means any port.

    Raises:
        OSError: if fifty ports in a row are in use.
    """
    if wanted == 0:
        return Server(app)
    for port in range(wanted, wanted + _PORTS_TO_TRY):
        if _answers(port):
            continue
        with suppress(OSError):
            return Server(app, port)
    raise OSError(f"ports {wanted} to {wanted + _PORTS_TO_TRY - 1} are all taken: choose another with --shop or --farm")


def _answers(port: int) -> bool:
    """Return whether a server listens on ``port`` under IPv6, which browsers try first for ``localhost``."""
    with suppress(OSError), socket.create_connection(("::1", port), timeout=0.2):
        return True
    return False
