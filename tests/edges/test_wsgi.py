"""
The WSGI edge between two validators: every way in which PEP 3333 lets an application answer.
"""

from __future__ import annotations

import gzip
import io
import sys
import warnings
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from wsgiref.util import FileWrapper
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from werkzeug.middleware.lint import LintMiddleware

from consent_mw import ConsentMiddleware
from consent_mw import current

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

HTML = [("Content-Type", "text/html; charset=utf-8")]
HELD = b'<script async src="https://www.google-analytics.com/analytics.js"></script>'
PAGE = b"<!doctype html><title>t</title><body><h1>x</h1>" + HELD + b"</body>"


class Answer:
    """What a server would have sent."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.starts = 0
        self.iterable: Iterable[bytes] = ()

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) < 2 or name.lower() == "set-cookie"
        return found[0] if found else None


def call(app: WSGIApplication, *, method: str = "GET", path: str = "/", extra: dict[str, str] | None = None) -> Answer:
    """Call ``app`` as a server does: honour write(), iterate, close."""
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "HTTP_HOST": "localhost",
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
    }
    environ["HTTP_SEC_FETCH_DEST"] = "document"
    environ.update(extra or {})
    setup_testing_defaults(environ)
    environ["wsgi.file_wrapper"] = FileWrapper
    answer = Answer()

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], None]:
        answer.starts += 1
        answer.status, answer.headers = status, list(headers)

        def write(data: bytes) -> None:
            answer.body += data

        return write

    result = app(environ, start_response)
    answer.iterable = result
    try:
        for chunk in result:
            answer.body += chunk
    finally:
        if hasattr(result, "close"):
            result.close()
    return answer


@pytest.fixture
def wrap(tmp_path: Path) -> Callable[[WSGIApplication], ConsentMiddleware]:
    """Wrap an application, with records in a folder of the test."""
    site = {"site": {"records": f"sqlite:///{tmp_path}/consent.db"}}
    return lambda app: ConsentMiddleware(app, site)


@pytest.fixture(params=[validator, LintMiddleware], ids=["wsgiref", "werkzeug"])
def between(
    request: pytest.FixtureRequest, wrap: Callable[[WSGIApplication], ConsentMiddleware]
) -> Iterator[Callable[[WSGIApplication], WSGIApplication]]:
    """Wrap an application between two validators of a kind, with warnings as errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield lambda app: request.param(wrap(request.param(app)))


@pytest.fixture
def validated(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> Callable[[WSGIApplication], WSGIApplication]:
    """Wrap an application between two of wsgiref's validators; Werkzeug's counts bytes that HEAD and 204 never have."""
    return lambda app: validator(wrap(validator(app)))


def page_app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*HTML, ("Content-Length", str(len(PAGE)))])
    return [PAGE]


def test_a_page_passes_both_validators(between: Callable[[WSGIApplication], WSGIApplication]) -> None:
    """A page in one piece keeps to the protocol on both sides, and what is in it is held."""
    answer = call(between(page_app))
    assert answer.status == "200 OK"
    assert b"data-cmw-held=google-analytics" in answer.body
    assert answer.header("content-length") == str(len(answer.body))


def test_a_generator_that_starts_late(between: Callable[[WSGIApplication], WSGIApplication]) -> None:
    """start_response may be called when the body is first asked for; chunks may cut a tag anywhere."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", HTML)
        for at in range(0, len(PAGE), 7):
            yield PAGE[at : at + 7]

    answer = call(between(app))
    assert b"data-cmw-src" in answer.body
    assert answer.header("content-length") is None


def test_the_write_callable(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """What is written by write() is rewritten, in order with what is returned."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", HTML)
        write(PAGE[:60])
        write(PAGE[60:100])
        return [PAGE[100:]]

    answer = call(wrap(app))
    assert answer.starts == 1
    assert b' src="https://www.google-analytics' not in answer.body
    assert answer.body.endswith(b"</body>")


def test_start_response_twice_with_exc_info(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """An application may replace its head as long as nothing was sent (PEP 3333)."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", HTML)
        try:
            raise ValueError("late")
        except ValueError:
            start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
        return [b"sorry"]

    answer = call(wrap(app))
    assert (answer.status, answer.body) == ("500 Oops", b"sorry")


def test_start_response_with_exc_info_after_the_head_went_out(
    wrap: Callable[[WSGIApplication], ConsentMiddleware],
) -> None:
    """Once the head is out, the application's error is raised on, and what was kept back is not sent."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", HTML)
        yield b"<p>one</p><script>gtag("
        try:
            raise ValueError("midway")
        except ValueError:
            start_response("500 Oops", HTML, sys.exc_info())
        yield b"never"

    with pytest.raises(ValueError, match="midway"):
        call(wrap(app))


def test_start_response_twice_without_exc_info(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """A second head without exc_info is the application's mistake, and is said."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", HTML)
        start_response("200 OK", HTML)
        return [b""]

    with pytest.raises(AssertionError, match="exc_info"):
        call(wrap(app))


def test_early_hints_name_nothing_that_is_held(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """A server may offer to send hints before the page, which make a browser connect (gunicorn does)."""
    sent: list[object] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        hint = environ["wsgi.early_hints"]
        hint([("Link", "</own.css>; rel=preload"), (b"Link", b"<https://www.google-analytics.com>; rel=preconnect")])
        hint([("Link", "<https://www.google-analytics.com>; rel=preconnect")])
        return page_app(environ, start_response)

    call(wrap(app), extra={"wsgi.early_hints": sent.append})  # type: ignore[dict-item]
    assert sent == [[("Link", "</own.css>; rel=preload")]]


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_responses_without_a_body(validated: Callable[[WSGIApplication], WSGIApplication], status: str) -> None:
    """204 and 304 pass as they are."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [])
        return []

    answer = call(validated(app))
    assert (answer.status, answer.body) == (status, b"")


def test_head_requests(validated: Callable[[WSGIApplication], WSGIApplication]) -> None:
    """A HEAD request gets no body, and no length that a GET would not have."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*HTML, ("Content-Length", str(len(PAGE)))])
        return []

    answer = call(validated(app), method="HEAD")
    assert (answer.body, answer.header("content-length")) == (b"", None)


def test_an_error_midway_sends_nothing_more(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """The application's exception goes on; the cut tag that was kept back does not."""
    sent: list[bytes] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", HTML)
        yield b"<p>one</p><img src=https://www.google-analytics.com/1.gif"
        raise RuntimeError("broken")

    environ: WSGIEnvironment = {}
    setup_testing_defaults(environ)
    body = wrap(app)(environ, lambda status, headers, exc_info=None: lambda data: None)
    with pytest.raises(RuntimeError, match="broken"):
        sent.extend(body)
    assert b"google" not in b"".join(sent)


class Closing:
    """A body that counts how often it was closed."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("kind", ["text/html", "text/css"])
@pytest.mark.parametrize("read", [0, 1, 5])
def test_close_is_called_exactly_once(
    wrap: Callable[[WSGIApplication], ConsentMiddleware], kind: str, read: int
) -> None:
    """Whether the visitor reads all, a part or nothing, the application's body is closed once."""
    body = Closing([b"<p>", b"a", b"</p>"])

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", kind)])
        return body

    environ: WSGIEnvironment = {}
    setup_testing_defaults(environ)
    result = wrap(app)(environ, lambda status, headers, exc_info=None: lambda data: None)
    for _, _ in zip(range(read), result, strict=False):
        pass
    for _ in range(1 if kind == "text/css" else 2):
        result.close()  # type: ignore[attr-defined]
    assert body.closed == 1


def test_close_is_called_after_an_error(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """A refused page's body is closed although it was not used."""
    body = Closing([b"\x1f\x8b"])

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*HTML, ("Content-Encoding", "compress")])
        return body

    answer = call(wrap(app))
    assert answer.status.startswith("500")
    assert b"compress" in answer.body
    assert body.closed == 1


def test_files_pass_as_the_object_that_the_app_made(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """wsgi.file_wrapper is left alone for what is not HTML, so that a server can send the file itself."""
    made: list[FileWrapper] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "image/png"), ("Content-Length", "3")])
        made.append(environ["wsgi.file_wrapper"](io.BytesIO(b"png")))
        return made[0]

    answer = call(wrap(app))
    assert answer.iterable is made[0]
    assert (answer.body, answer.header("content-length")) == (b"png", "3")


def test_an_html_file_is_rewritten(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """A page sent by file_wrapper does not go round the rewriter."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", HTML)
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(PAGE), 16)
        return wrapped

    assert b"data-cmw-held" in call(wrap(app)).body


def test_the_page_streams(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """A chunk goes out before the application is asked for the next one."""
    asked: list[int] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", HTML)
        for number in range(3):
            asked.append(number)
            yield b"<p>%d</p>" % number

    environ: WSGIEnvironment = {}
    setup_testing_defaults(environ)
    body = iter(wrap(app)(environ, lambda status, headers, exc_info=None: lambda data: None))
    assert (next(body), asked) == (b"<p>0</p>", [0])
    assert (next(body), asked) == (b"<p>1</p>", [0, 1])


def test_a_list_with_one_item_is_the_whole_page(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """Its length is told, as a server would tell that of the application's own body; with two items it is not."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", HTML)
        return [PAGE] if environ["PATH_INFO"] == "/one" else [PAGE, b"<p>more"]

    wrapped = wrap(app)
    one, two = call(wrapped, extra={"PATH_INFO": "/one"}), call(wrapped, extra={"PATH_INFO": "/two"})
    assert (dict(one.headers)["Content-Length"], "Content-Length" in dict(two.headers)) == (str(len(one.body)), False)
    assert two.body.endswith(b"<p>more")


def test_ways_around_the_rewriter_are_closed(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """For a page the application sees no Range and no validators; for a file it does."""
    seen: list[set[str]] = []
    closed = {"HTTP_RANGE", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE"}

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(closed & environ.keys())
        start_response("200 OK", HTML)
        return [b""]

    given = dict.fromkeys(closed, "x")
    call(wrap(app), extra=given)
    call(wrap(app), extra={**given, "HTTP_SEC_FETCH_DEST": "image"})
    assert seen == [set(), closed]


@pytest.mark.parametrize(("given", "told"), [("gzip, compress, *", "gzip"), ("compress", None)], ids=["some", "none"])
def test_only_codings_that_can_be_opened_are_offered(
    wrap: Callable[[WSGIApplication], ConsentMiddleware], given: str, told: str | None
) -> None:
    """The application compresses only what can be read; with nothing left it is not asked to."""
    seen: list[str | None] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ.get("HTTP_ACCEPT_ENCODING"))
        start_response("200 OK", HTML)
        return [b""]

    call(wrap(app), extra={"HTTP_ACCEPT_ENCODING": given})
    assert seen == [told]


def test_a_page_that_has_not_changed_is_not_sent_again(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """The application's entity tag comes back to it while the visitor's state is the same, and not after."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_IF_NONE_MATCH") == '"1"':
            start_response("304 Not Modified", [("ETag", '"1"'), ("Cache-Control", "max-age=60")])
            return []
        start_response("200 OK", [*HTML, ("ETag", '"1"'), ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")])
        return [PAGE]

    site = wrap(app)
    call(site)  # the site learns what is on the page
    first = call(site)
    tag = first.header("etag") or ""
    again = call(site, extra={"HTTP_IF_NONE_MATCH": tag})
    assert (again.status, again.body, again.header("etag")) == ("304 Not Modified", b"", tag)
    assert again.header("cache-control") == first.header("cache-control") == "private, no-cache"
    assert first.header("last-modified") is None
    for given, more in ((tag, {"HTTP_SEC_GPC": "1"}), ('"1"', {}), ("*", {})):
        assert call(site, extra={"HTTP_IF_NONE_MATCH": given, **more}).status == "200 OK"


def test_a_compressed_page_is_held(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """A compressing middleware inside hides nothing."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*HTML, ("Content-Encoding", "gzip")])
        return [gzip.compress(PAGE)]

    assert b"data-cmw-held=google-analytics" in gzip.decompress(call(wrap(app)).body)


def test_current_tells_what_the_visitor_allows(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """Views can ask; without the middleware they are told why they cannot."""
    allowed: list[bool] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        decision = current(environ)
        allowed.extend([decision.allows("necessary"), decision.allows("analytics")])
        start_response("200 OK", HTML)
        return [b""]

    call(wrap(app))
    assert allowed == [True, False]
    with pytest.raises(LookupError, match="ConsentMiddleware"):
        current({})


def test_a_partial_page_is_refused(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """206 with HTML cannot be read, so an error page goes out and names what to change."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("206 Partial Content", [*HTML, ("Content-Range", "bytes 5-9/100")])
        return [b"c=htt"]

    answer = call(wrap(app))
    assert answer.status.startswith("500")
    assert b"Range" in answer.body
    assert b"c=htt" not in answer.body


def test_wrapped_twice_the_outer_one_decides(
    wrap: Callable[[WSGIApplication], ConsentMiddleware], tmp_path: Path
) -> None:
    """A second wrapper inside the first leaves the page alone: there is one banner, and each hold is made once."""
    inner = ConsentMiddleware(page_app, {"site": {"records": f"sqlite:///{tmp_path}/inner.db"}})
    call(wrap(page_app))  # the first visit of all teaches the site its services
    once, twice = call(wrap(page_app)).body, call(wrap(inner)).body
    assert twice == once


def test_the_head_is_there_when_the_application_returns(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """Granian reads the head then; a generator gives it with its first piece only."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("404 Not Found", [("Content-Type", "text/html")])
        yield b"<title>t</title>"

    environ: WSGIEnvironment = {"HTTP_HOST": "localhost", "HTTP_SEC_FETCH_DEST": "document"}
    setup_testing_defaults(environ)
    heads: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], None]:
        heads.append(status)
        return lambda data: None

    body = wrap(app)(environ, start_response)
    assert heads == ["404 Not Found"]
    assert b"<title>t</title>" in b"".join(body)


def test_a_body_that_fails_at_once_is_closed(wrap: Callable[[WSGIApplication], ConsentMiddleware]) -> None:
    """The server gets the exception instead of a body, so that it has nothing to close."""
    closed: list[bool] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            raise RuntimeError("no database")

        def close(self) -> None:
            closed.append(True)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
        start_response("200 OK", [("Content-Type", "text/html")])
        return Body()

    with pytest.raises(RuntimeError, match="no database"):
        call(wrap(app))
    assert closed == [True]
