"""A proxy to a real server that a test can cut off in no time."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress


class Proxy:
    """Forwards bytes between its own loopback port and another, until it is cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._accept()

    def cut(self) -> None:
        """Refuse new connections and close the existing ones."""
        # Shutting the listener down before closing it frees its port at once.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        with self._lock:
            for one in self._pairs:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Accept connections again, on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accept()

    def _accept(self) -> None:
        self._thread = threading.Thread(target=self._run, args=(self._listener,), daemon=True)
        self._thread.start()

    def _run(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:  # the server is unreachable, so drop the client's connection too
                near.close()
                continue
            with self._lock:
                self._pairs |= {near: far, far: near}
            threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        try:
            while True:
                for one in select.select([near, far], [], [])[0]:
                    piece = one.recv(65536)
                    if not piece:
                        return
                    other[one].sendall(piece)
        except OSError:
            return
        finally:
            with self._lock:
                for one in (near, far):
                    self._pairs.pop(one, None)
                    one.close()
