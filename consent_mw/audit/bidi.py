"""
Starts an installed Firefox and talks to it by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/).

Firefox itself serves the protocol on a WebSocket on loopback, so no driver is needed. Commands have numbers,
and responses may come in any order; a thread reads them and passes them to the event loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import asynccontextmanager
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO
from typing import Any
from urllib.parse import quote

from playwright.async_api import Error
from playwright.async_api import TimeoutError as TookTooLong

__all__ = ["STARTING", "BidiConnection", "firefox_process"]

#: Seconds for Firefox to start and to open its session, which it does only then; more than it takes on a busy machine.
STARTING = 120.0
#: Seconds for one command, and for Firefox to end.
_COMMAND, _ENDING = 30.0, 10.0
_LISTENS = re.compile(r"WebDriver BiDi listening on (ws://[\w.:\[\]]+)")

#: Switches off Firefox's own requests, and its tracking protection, which would hide requests of the page.
_PREFS: Mapping[str, bool | int | str] = {
    "app.normandy.enabled": False,
    "browser.contentblocking.category": "custom",
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.cookie.cookieBehavior": 0,
    "network.dns.disablePrefetch": True,
    "network.predictor.enabled": False,
    "network.prefetch-next": False,
    "network.proxy.allow_hijacking_localhost": True,
    "network.proxy.failover_direct": False,
    "network.proxy.type": 2,
    "privacy.query_stripping.enabled": False,
    "privacy.trackingprotection.enabled": False,
    "privacy.trackingprotection.cryptomining.enabled": False,
    "privacy.trackingprotection.emailtracking.enabled": False,
    "privacy.trackingprotection.fingerprinting.enabled": False,
    "privacy.trackingprotection.socialtracking.enabled": False,
}


def _reaching(hosts: Sequence[str]) -> str:
    """Return a proxy configuration that connects to these hosts, and sends all others to a closed port."""
    if "*" in hosts:
        return "function FindProxyForURL() { return 'DIRECT' }"
    named = json.dumps([host.strip("[]").lower() for host in hosts])
    answer = f"{named}.includes(host.toLowerCase()) ? 'DIRECT' : 'PROXY 127.0.0.1:1'"
    return f"function FindProxyForURL(url, host) {{ return {answer} }}"


@asynccontextmanager
async def firefox_process(path: str, hosts: Sequence[str]) -> AsyncIterator[str]:
    """
    Run a Firefox with a fresh profile; yield the address of its WebSocket.

    Raises:
        Error: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="cmw-audit-", ignore_cleanup_errors=True) as folder:
        address = f"data:application/x-ns-proxy-autoconfig,{quote(_reaching(hosts))}"
        prefs = {**_PREFS, "network.proxy.autoconfig_url": address}
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in prefs.items()]
        Path(folder, "user.js").write_text("".join(lines), encoding="utf-8")
        command = [path, "--headless", "--no-remote", "--profile", folder, "--remote-debugging-port", "0"]
        environ = {**os.environ, "HOME": folder, "MOZ_CRASHREPORTER_DISABLE": "1"}
        try:
            process = subprocess.Popen(  # noqa: S603 -- the browser that the owner chose
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environ, text=True, errors="replace"
            )
        except OSError as error:
            raise Error(f"{error.strerror or type(error).__name__}") from None
        assert process.stderr is not None  # noqa: S101 -- a pipe, see above
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        reader = _reading(process.stderr, found)
        try:
            address = ""
            with suppress(TimeoutError):
                address = await asyncio.wait_for(found, STARTING)
            if not address:
                raise Error("It does not offer WebDriver BiDi.")
            yield address
        finally:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, _ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            await asyncio.to_thread(reader.join, _ENDING)


def _reading(output: IO[str], found: asyncio.Future[str]) -> Thread:
    """Start a thread that finds the address in Firefox's output, and reads the rest so that Firefox never blocks."""
    loop = asyncio.get_running_loop()

    def settle(address: str) -> None:
        if not found.done():
            found.set_result(address)

    def read() -> None:
        with output:
            for line in output:
                if match := _LISTENS.search(line):
                    loop.call_soon_threadsafe(settle, match[1])
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, "")

    thread = Thread(target=read, daemon=True)
    thread.start()
    return thread


class BidiConnection:
    """
    One session of the protocol.

    Args:
        address: The address of the WebSocket.
        told: Called with each event's method and parameters.

    Raises:
        Error: the connection fails.
    """

    def __init__(self, address: str, told: Callable[[str, Mapping[str, Any]], None]) -> None:
        import websocket

        self._told = told
        self._loop = asyncio.get_running_loop()
        self._last = 0
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        try:
            self._socket = websocket.create_connection(f"{address}/session", timeout=STARTING, suppress_origin=True)
        except (OSError, websocket.WebSocketException) as error:
            raise Error(f"Firefox takes no connection: {error}") from None
        self._socket.settimeout(None)
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    async def command(self, method: str, seconds: float = _COMMAND, **parameters: Any) -> Mapping[str, Any]:
        """
        Send a command, and return its result.

        Raises:
            Error: Firefox refuses it, or is gone; as TimeoutError of Playwright's, if it does not answer in time.
        """
        self._last += 1
        number = self._last
        answer = self._waiting[number] = self._loop.create_future()
        try:
            self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
            message = await asyncio.wait_for(answer, seconds)
        except TimeoutError:
            raise TookTooLong(f"{method}: no answer within {seconds:g} seconds") from None
        except Exception as error:  # the library's own, or of the socket
            raise Error(f"{method}: Firefox is gone: {error}") from None
        finally:
            self._waiting.pop(number, None)
        if message["type"] == "error":
            raise Error(f"{message['message'] or message['error']}")
        result: Mapping[str, Any] = message["result"]
        return result

    async def close(self) -> None:
        """Close the connection."""
        with suppress(Exception):  # Firefox may have closed it
            self._socket.close(timeout=1)
        await asyncio.to_thread(self._reader.join, _ENDING)

    def _read(self) -> None:
        """Pass messages on until the connection ends."""
        while True:
            try:
                message = json.loads(self._socket.recv())
            except Exception:  # closed, by us or by Firefox
                message = None
            try:
                self._loop.call_soon_threadsafe(self._take, message)
            except RuntimeError:
                return  # the loop has ended
            if message is None:
                return

    def _take(self, message: Mapping[str, Any] | None) -> None:
        if message is None:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("the connection ended"))
        elif message["type"] == "event":
            self._told(message["method"], message["params"])
        elif (known := self._waiting.get(message["id"])) is not None and not known.done():
            known.set_result(message)
