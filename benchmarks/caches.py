"""
Real caches in front of a site: nginx and Varnish on loopback ports, configured as in docs/caching.md, and a fast
client.

The configurations are read from the document, so that the ones that owners copy are the ones tested.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "caching.md"
NGINX = "/usr/sbin/nginx"
VARNISH = "/usr/sbin/varnishd"
CACHES = ("nginx", "varnish")
#: How a cache is set up: by default, or with the snippets for a mode.
SETUPS = ("default", "shared", "class")
HOST = "shop.example"
#: Seconds for a server to start or stop on a busy machine.
_PATIENT = 60.0
_FENCE = re.compile(r"^```(nginx|vcl)\n# (.+)\n((?:.*\n)*?)```$", re.MULTILINE)
_SITE = "127.0.0.1:8000"
#: An ordinary cache in nginx: its default key, and a lifetime for pages that do not specify one.
_DEFAULT_NGINX = "    proxy_pass http://127.0.0.1:8000;\n    proxy_cache site;\n    proxy_cache_valid 200 10m;\n"


def missing(cache: str) -> str:
    """Return why a cache cannot run here, or an empty string."""
    program = NGINX if cache == "nginx" else VARNISH
    return "" if os.access(program, os.X_OK) else f"{program} is absent"


def snippets() -> Mapping[tuple[str, str], str]:
    """Return the snippets of the document by kind and first line: ``("nginx", "class, in http { }")``."""
    return {(kind, title): text for kind, title, text in _FENCE.findall(DOCUMENT.read_text(encoding="utf-8"))}


def free_port() -> int:
    """Return an unused port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def nginx_config(setup: str, port: int, site: int, folder: Path, *, more: str = "") -> str:
    """Return a configuration for nginx; ``more`` is added to its location."""
    known = snippets()
    if setup == "default":
        http = f"proxy_cache_path {folder}/cache levels=1:2 keys_zone=site:10m;\n"
        location = f"location / {{\n{_DEFAULT_NGINX}    proxy_set_header Host $http_host;\n}}\n"
    else:
        http = known["nginx", f"{setup}, in http {{ }}"].replace("/var/cache/nginx/site", f"{folder}/cache")
        location = known["nginx", f"{setup}, in server {{ }}"]
    location = location.replace(_SITE, f"127.0.0.1:{site}").replace("Proto $scheme", "Proto https")
    location = location.replace("\n}", f"\n    proxy_set_header X-Forwarded-Proto https;\n{more}}}", 1)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    return (
        f"{user}worker_processes 1;\ndaemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        "events { worker_connections 256; }\n"
        f"http {{\naccess_log off;\nkeepalive_requests 1000000;\n{temporary}{http}"
        f"server {{\nlisten 127.0.0.1:{port};\n{location}}}\n}}\n"
    )


def varnish_config(setup: str, site: int) -> str:
    """Return a configuration for Varnish."""
    if setup == "default":
        return f'vcl 4.1;\nbackend default {{ .host = "127.0.0.1"; .port = "{site}"; }}\n'
    return snippets()["vcl", setup].replace('"8000"', f'"{site}"')


@contextlib.contextmanager
def cache(kind: str, setup: str, site: int, *, more: str = "") -> Iterator[int]:
    """Run a cache in front of the site on port ``site`` and yield its port; ``more`` is added to nginx's location."""
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="cmw-"))
    try:
        if kind == "nginx":
            (folder / "nginx.conf").write_text(nginx_config(setup, port, site, folder, more=more), encoding="utf-8")
            command = [NGINX, "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(folder / "nginx.conf")]
        else:
            (folder / "site.vcl").write_text(varnish_config(setup, site), encoding="utf-8")
            command = [VARNISH, "-F", "-n", str(folder / "work"), "-a", f"127.0.0.1:{port}", "-T", "none"]
            command += ["-j", "none", "-f", str(folder / "site.vcl"), "-s", "malloc,64m", "-p", "vsl_space=2m"]
        with running(command, port, folder / "output.log"):
            yield port
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def site(app: str, folder: Path, environment: Mapping[str, str]) -> Iterator[int]:
    """Run an application under gunicorn in one process, with threads, and yield its port."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--workers=1", "--threads=4", "--no-control-socket", "--keep-alive=60"]
    command += [f"--worker-tmp-dir={folder}", f"--bind=127.0.0.1:{port}", app]
    with running(command, port, folder / f"{port}.log", {**os.environ, **environment}):
        yield port


@contextlib.contextmanager
def running(command: list[str], port: int, log: Path, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a server, once it answers on its port."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + _PATIENT
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{command[0]} does not answer:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_PATIENT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# -- the client


@dataclass(frozen=True, slots=True)
class Answer:
    """One response: header names in lower case, repeats joined by newlines."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """One persistent connection; fast, and limited to bodies in chunks or with a content length."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._buffer = b""

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def get(self, path: str, headers: Mapping[str, str], method: str = "GET", body: bytes = b"") -> Answer:
        """Send a request; reconnect if the server has closed the connection."""
        lines = {"Host": HOST, "X-Forwarded-Proto": "https", **headers}
        if body:
            lines["Content-Length"] = str(len(body))
        fields = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        request = f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode("latin-1") + body
        for attempt in (1, 2):
            try:
                return self._ask(request, method)
            except (ConnectionError, EOFError):
                self.close()
                if attempt == 2:
                    raise
        raise AssertionError  # unreachable

    def _ask(self, request: bytes, method: str) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), 60)
            self._buffer = b""
        self._socket.sendall(request)
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in filter(None, head[1:]):
            name, _, value = line.partition(":")
            name = name.lower()
            headers[name] = f"{headers[name]}\n{value.strip()}" if name in headers else value.strip()
        status = int(head[0].split()[1])
        body = b""
        if method != "HEAD" and status not in (204, 304):
            body = (
                self._chunks()
                if "transfer-encoding" in headers
                else self._exactly(int(headers.get("content-length", 0)))
            )
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self._until(b"\r\n").partition(b";")[0], 16):
            parts.append(self._exactly(size))
            self._exactly(2)
        self._until(b"\r\n")
        return b"".join(parts)

    def _until(self, mark: bytes) -> bytes:
        while (at := self._buffer.find(mark)) < 0:
            self._fill()
        found, self._buffer = self._buffer[: at + len(mark)], self._buffer[at + len(mark) :]
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _fill(self) -> None:
        assert self._socket is not None
        more = self._socket.recv(262_144)
        if not more:
            raise EOFError
        self._buffer += more
