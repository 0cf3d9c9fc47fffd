"""The head of a request: read late, and as the request was when it came."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consent_mw.http.asgi_scope import request_head
from consent_mw.http.request import FieldNames
from consent_mw.http.request import RequestHead

_CONDITIONS = FieldNames(["range", "if-none-match"])


def _environ(**more: str) -> dict[str, object]:
    return {
        "REQUEST_METHOD": "get",
        "PATH_INFO": "/caf\xc3\xa9",
        "QUERY_STRING": "a=1",
        "wsgi.url_scheme": "https",
        "HTTP_HOST": "shop.example",
        "HTTP_IF_NONE_MATCH": '"a"',
        "CONTENT_LENGTH": "3",
        **more,
    }


def _scope() -> dict[str, object]:
    return {
        "type": "http",
        "method": "get",
        "path": "/caf\u00e9",
        "query_string": b"a=1",
        "scheme": "https",
        "headers": [(b"Host", b"shop.example"), (b"if-none-match", b'"a"')],
    }


_EDGES = {
    "environ": lambda: RequestHead.from_environ(_environ()),
    "scope": lambda: request_head(_scope()),
}
_READ = RequestHead(
    "GET", "https", "shop.example", "/caf\u00e9", "a=1", (("host", "shop.example"), ("if-none-match", '"a"'))
)


@pytest.mark.parametrize("edge", _EDGES)
def test_a_head_is_the_same_whether_it_is_read_late_or_at_once(edge: str) -> None:
    """Whoever compares it, replaces a part of it, or asks for a header finds what the request says."""
    assert _EDGES[edge]() == _READ
    assert replace(_EDGES[edge](), query="") == replace(_READ, query="")
    for head in (_EDGES[edge](), _READ):
        assert head.header("if-none-match") == '"a"'
        assert head.all("if-none-match") == ['"a"']
        assert (head.header("range"), head.all("range")) == (None, [])
        assert head.carries(_CONDITIONS)
        assert not head.carries(FieldNames(["range"]))


def test_a_head_is_what_came_whatever_becomes_of_the_environ() -> None:
    """An application that changes its environ changes nothing of what the visitor asked."""
    environ = _environ()
    head = RequestHead.from_environ(environ)
    environ.update(HTTP_HOST="evil.example", PATH_INFO="/other", HTTP_RANGE="bytes=0-")
    del environ["HTTP_IF_NONE_MATCH"]
    assert head == _READ
    assert not head.carries(FieldNames(["range"]))


def test_a_head_is_what_came_whatever_becomes_of_the_scope() -> None:
    """The same on ASGI, where inner wrappers may replace the path and the headers."""
    scope = _scope()
    head = request_head(scope)
    scope["path"] = "/other"
    scope["headers"][:] = []  # type: ignore[index]
    assert head == _READ


def test_a_head_has_no_other_fields() -> None:
    """A name that is no field is a mistake, read or not."""
    head = RequestHead.from_environ(_environ())
    with pytest.raises(AttributeError):
        _ = head.nothing  # type: ignore[attr-defined]
    assert head.method == "GET"
    with pytest.raises(AttributeError):
        _ = head.nothing  # type: ignore[attr-defined]
