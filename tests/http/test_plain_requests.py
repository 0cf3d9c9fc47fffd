"""The fast path for requests: what it lets pass is what the exchange would change nothing of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consent_mw.http.asgi_scope import request_head
from consent_mw.http.exchange import Exchange
from consent_mw.http.plain_requests import fields_stay
from consent_mw.http.plain_requests import variables_stay
from consent_mw.http.request import RequestHead
from tests.http.fake_view import FakeView

_CODINGS = FakeView().coding_names
_VALUES = {
    "accept-encoding": st.sampled_from(
        ["", "gzip", "gzip, br", "gzip, deflate", "gzip,deflate", "br", "identity", "*"]
    ),
    "sec-fetch-dest": st.sampled_from(["document", "empty", "script"]),
    "range": st.just("bytes=0-1"),
    "if-none-match": st.sampled_from(['"a"', '"a~cmw.s0123456789ab"']),
    "if-modified-since": st.just("Sun, 29 Nov 2026 10:00:00 GMT"),
    "if-range": st.just('"a~cmw.s0123456789ab"'),
    "cookie": st.just("a=b"),
}
_HEADERS = st.fixed_dictionaries({}, optional=_VALUES)


def _changes(head: RequestHead) -> dict[str, str | None]:
    return Exchange(head, FakeView()).request_changes()


@given(_HEADERS)
def test_variables_that_stay_are_not_changed_by_the_exchange(headers: dict[str, str]) -> None:
    """A WSGI request that is passed on unread would have been passed on as it is."""
    environ = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}
    environ |= {"REQUEST_METHOD": "GET", "HTTP_HOST": "shop.example"}
    assert not variables_stay(environ, _CODINGS) or _changes(RequestHead.from_environ(environ)) == {}


@given(_HEADERS, st.sampled_from([None, "gzip", "br"]))
def test_fields_that_stay_are_not_changed_by_the_exchange(headers: dict[str, str], again: str | None) -> None:
    """The same for ASGI, where a header may come twice and its name in any case."""
    raw = [(name.title().encode(), value.encode()) for name, value in headers.items()]
    raw += [(b"accept-encoding", again.encode())] if again else []
    scope = {"type": "http", "method": "GET", "path": "/", "headers": raw}
    assert not fields_stay(raw, _CODINGS) or _changes(request_head(scope)) == {}


def test_what_browsers_send_stays() -> None:
    """The fast path is taken for an ordinary request."""
    sent = {"accept": "*/*", "accept-encoding": "gzip, deflate", "cookie": "a=b", "sec-fetch-dest": "script"}
    environ = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in sent.items()}
    assert variables_stay(environ, _CODINGS)
    assert fields_stay([(name.encode(), value.encode()) for name, value in sent.items()], _CODINGS)
