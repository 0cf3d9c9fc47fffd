"""
Visitors in a separate process: ``python -m tests.faults.load PORT KIND COUNT PAUSE THREADS``.

Prints a line of JSON for each request that was answered or failed: the status (0 if the connection broke), the receipt
of an acknowledged grant, and the duration in seconds. KIND is ``grants``, ``pages`` or ``refusals``. If COUNT is 0, the
process runs until the end of its input.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import time

_COOKIE = re.compile(rb"^set-cookie: *(?:__Host-)?cmw=1\.([^.;]+)\.[^;]+;", re.IGNORECASE | re.MULTILINE)


def request(port: int, method: str, path: str, headers: dict[str, str] | None = None, body: str = "") -> bytes:
    """Send one request over a new connection, and return the whole response."""
    fields = {"Host": f"localhost:{port}", "Connection": "close", **(headers or {})}
    if body:
        fields |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}".encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def choose(port: int, action: str, cookie: str = "", **fields: str) -> bytes:
    """Make a choice as a browser does, and return the whole response."""
    headers = {"Origin": f"http://localhost:{port}", "Sec-Fetch-Site": "same-origin"}
    if cookie:
        headers["Cookie"] = cookie
    body = "&".join(f"{name}={value}" for name, value in {"action": action, "back": "/", **fields}.items())
    return request(port, "POST", "/_cmw/choice", headers, body)


def status_of(answer: bytes) -> int:
    """Return the status of a response; 0 if there is none."""
    words = answer[:20].split()
    return int(words[1]) if len(words) > 1 else 0


def receipt_of(answer: bytes) -> str:
    """Return the receipt in the cookie of a response, or an empty string."""
    found = _COOKIE.search(answer.partition(b"\r\n\r\n")[0])
    return found[1].rpartition(b"~")[2].decode() if found else ""


def visit(port: int, kind: str) -> bytes:
    """Make one request of the given kind."""
    if kind == "pages":
        return request(port, "GET", "/", {"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"})
    return choose(port, "accept-all" if kind == "grants" else "reject-all")


def main(arguments: list[str]) -> None:
    """Run the command line."""
    port, kind, count, pause, threads = (
        int(arguments[0]),
        arguments[1],
        int(arguments[2]),
        float(arguments[3]),
        int(arguments[4]),
    )
    left = count or 1_000_000_000
    lock = threading.Lock()
    stopped = threading.Event()

    def work() -> None:
        nonlocal left
        while not stopped.is_set():
            with lock:
                if not left:
                    return
                left -= 1
            begin = time.perf_counter()
            try:
                answer = visit(port, kind)
            except OSError:
                answer = b""
            taken = time.perf_counter() - begin
            status = status_of(answer)
            receipt = receipt_of(answer) if status == 303 else ""
            with lock:
                print(json.dumps([status, receipt, round(taken, 5)]), flush=True)
            if not status:
                time.sleep(0.01)
            stopped.wait(pause)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()

    def listen() -> None:
        sys.stdin.read()
        stopped.set()

    threading.Thread(target=listen, daemon=True).start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main(sys.argv[1:])
