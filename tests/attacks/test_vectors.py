"""No vector makes a request to the tracker through the middleware, whole or in pieces."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consent_mw import ConsentMiddleware
from consent_mw.errors import RefusedMarkup
from tests.attacks import fourth_reading
from tests.attacks import second_reading
from tests.attacks import third_reading
from tests.attacks import vectors
from tests.attacks.judge import CALL
from tests.attacks.judge import HOST
from tests.attacks.judge import Response
from tests.attacks.judge import asked
from tests.attacks.vectors import Vector

VECTORS = {**vectors.VECTORS, **second_reading.VECTORS, **third_reading.VECTORS, **fourth_reading.VECTORS}


class App:
    """An application that answers with one response, in pieces."""

    vector: Vector
    pieces: Iterable[bytes]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        kind = self.vector.content_type
        headers = [("Content-Type", kind)] if kind is not None else []
        start_response("200 OK", [*headers, *self.vector.headers])
        return iter(self.pieces)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[App, ConsentMiddleware]:
    """Return an application, without and with the middleware."""
    app = App()
    folder: Path = tmp_path_factory.mktemp("attacks")
    service = {
        "id": "tracker",
        "name": "T",
        "vendor": "T Ltd",
        "purposes": ["analytics"],
        "hosts": [HOST],
        "inline": [CALL],
    }
    config = {
        "site": {
            "name": "Shop",
            "controller": "Shop Ltd",
            "allow_insecure_http": True,
            "records": f"sqlite:///{folder}/records.db",
        },
        "services": [service],
        # The notice is not what is tried here, and the judges are slow readers.
        "paths": {"quiet": ["/blog/"]},
    }
    return app, ConsentMiddleware(app, config=config)


def answer(app: Any, scheme: str = "https") -> Response:
    """Return the response of ``app`` to a visitor who has not decided."""
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/blog/post",
        "QUERY_STRING": "",
        "SERVER_NAME": "shop.example",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "shop.example",
        "HTTP_SEC_FETCH_DEST": "document",
        "wsgi.url_scheme": scheme,
    }
    head: list[tuple[int, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        head.append((int(status[:3]), headers))

    data = b""
    body = None
    try:
        body = app(environ, start_response)
        for piece in body:
            data += piece
    except RefusedMarkup:
        pass  # the response broke off: judge the part that was sent
    finally:
        getattr(body, "close", lambda: None)()
    return Response(*head[-1], data)


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_nothing_of_the_tracker_is_left(vector: Vector, site: tuple[App, ConsentMiddleware]) -> None:
    """Without the middleware some browser makes a request to the tracker; with it none does, at any chunking."""
    app, wrapped = site
    app.vector, app.pieces = vector, [vector.page]
    assert vector.section
    assert asked(answer(app), vector.decoded_as), "the vector asks for nothing"
    whole = answer(wrapped, vector.scheme)
    assert asked(whole, vector.decoded_as) == set()
    seen = {whole.body} if whole.status == 200 else set()
    for size in (1, 3, 7):
        app.pieces = [vector.page[at : at + size] for at in range(0, len(vector.page), size)]
        cut = answer(wrapped, vector.scheme)
        if cut.status == 200 and cut.body not in seen:
            seen.add(cut.body)
            assert asked(cut, vector.decoded_as) == set()
