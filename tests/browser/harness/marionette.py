"""
A minimal client for Firefox's Marionette port.

A message is its length in ASCII digits, a colon, and JSON: commands are ``[0, id, name, parameters]``, replies
``[1, id, error, result]`` (Mozilla's "Marionette protocol" page in the Firefox source documentation).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping

from tests.browser.harness.engines import PATIENCE
from tests.browser.harness.engines import BrowserError

#: WebDriver's key of an element reference.
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Marionette:
    """One connection; commands are sent one at a time."""

    def __init__(self, port: int) -> None:
        """Connect to ``port`` on loopback and read the greeting."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE * 2)
        self._reader = self._socket.makefile("rb")
        self._id = 0
        try:
            self._message()
        except BaseException:
            self.close()
            raise

    def command(self, name: str, parameters: Mapping[str, object] | None = None) -> object:
        """
        Send one command and return the result's value.

        Raises:
            BrowserError: Firefox answered with an error, or is gone.
        """
        self._id += 1
        text = json.dumps([0, self._id, name, parameters or {}]).encode()
        self._socket.sendall(b"%d:%b" % (len(text), text))
        reply = self._message()
        if not isinstance(reply, list) or len(reply) != 4 or reply[1] != self._id:
            raise BrowserError(f"{name}: unexpected reply {reply!r}")
        _, _, error, result = reply
        if error:
            raise BrowserError(f"{name}: {error.get('error')}: {error.get('message')}")
        return result.get("value") if isinstance(result, dict) and set(result) == {"value"} else result

    def close(self) -> None:
        """Close the connection; Firefox keeps running."""
        self._reader.close()
        self._socket.close()

    def _message(self) -> object:
        digits = b""
        while not digits.endswith(b":"):
            byte = self._reader.read(1)
            if not byte:
                raise BrowserError("Firefox closed the Marionette connection")
            digits += byte
        return json.loads(self._reader.read(int(digits[:-1])))
