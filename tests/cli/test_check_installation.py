"""``consent-mw check``: what can go wrong with keys, store, layers and the site that answers, each with its remedy."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import closing
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from consent_mw import config
from consent_mw.audit.installation import Advice
from consent_mw.audit.installation import about_keys
from consent_mw.audit.installation import about_layers
from consent_mw.audit.installation import about_records
from consent_mw.audit.installation import about_settings
from consent_mw.audit.installed_site import about_links
from consent_mw.audit.installed_site import about_site
from consent_mw.audit.pages import Reader
from consent_mw.audit.targets import AppTarget
from consent_mw.audit.targets import Bounds
from consent_mw.cli import FOUND
from consent_mw.cli import UNABLE
from consent_mw.cli import main
from consent_mw.core.model import Site
from consent_mw.proof.sealing import seal_new
from consent_mw.records import open_records
from consent_mw.records.sqlite import SqliteRecords
from tests.audit.sites import page
from tests.records.samples import a_grant
from tests.records.servers import free_port

KEY = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
OTHER = KEY[::-1]
NOW = 1_796_000_000.0
Maker = Callable[..., Site]


@pytest.fixture
def site(tmp_path: Path) -> Maker:
    """Makes the configuration of a site whose records are in an empty folder."""

    def made(**given: object) -> Site:
        own = {"controller": "X", "privacy_policy": "/privacy", "records": f"sqlite:///{tmp_path}/consent.db"}
        named = {name: value for name, value in {**own, **given}.items() if value is not None}
        return config.load({"site": named, "services": [{"use": "youtube"}]}, environ={"CONSENT_KEYS": KEY})

    return made


def ids(found: Iterator[Advice]) -> list[str]:
    """Return the ids of advice; each piece has a remedy."""
    advice = list(found)
    assert all(one.what.endswith((".", "?")) and one.remedy for one in advice), advice
    return [one.id for one in advice]


def write_key(site: Site, text: str, mode: int = 0o600) -> None:
    """Write the key file of a site."""
    file = Path(site.records.removeprefix("sqlite:///")).with_suffix(".key")
    file.write_text(text, encoding="ascii")
    file.chmod(mode)


# -- settings


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"mode": "report"}, ["only-watched"]),
        ({"allow_insecure_http": True}, ["insecure-http"]),
        ({"controller": None}, ["no-controller"]),
        ({"privacy_policy": None}, ["no-policy"]),
        ({"unknown": "allow"}, ["unknown-allowed"]),
    ],
)
def test_settings_that_leave_something_open_are_told(
    site: Maker, given: dict[str, object], expected: list[str]
) -> None:
    """A whole configuration has none of them."""
    assert [one for one in ids(about_settings(site(**given))) if one != "pure"] == expected


def test_colours_without_contrast_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are a mistake in the configuration, with the colours and the contrast that is needed."""
    file = tmp_path / "consent.toml"
    file.write_text('[theme]\npaper = "#ffffff"\nink = "#eeeeee"\n', encoding="utf-8")
    assert main(["--config", str(file), "check"]) == UNABLE
    assert "4.5:1 is needed" in capsys.readouterr().err


# -- keys


def test_a_key_file_that_is_not_there_yet_is_a_note_and_not_made(site: Maker, tmp_path: Path) -> None:
    """Looking changes nothing."""
    assert [one.severity for one in about_keys(site(), {})] == ["note"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"CONSENT_KEYS": KEY}, []),
        ({"CONSENT_KEYS": ""}, ["keys"]),
        ({"CONSENT_KEYS": "short"}, ["keys"]),
        ({"CONSENT_KEYS": "k" * 40}, ["weak-key"]),
        ({"CONSENT_KEYS": f"{KEY},{KEY}"}, ["same-key"]),
    ],
)
def test_keys_of_the_environment_are_judged(site: Maker, environ: Mapping[str, str], expected: list[str]) -> None:
    """Missing, short, guessable and repeated keys are told, and never shown."""
    found = list(about_keys(site(), environ))
    assert [one.id for one in found] == expected
    assert not any(value and value in one.what for one in found for value in environ.values())


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        (KEY, {}, ["key-file"]),
        (KEY, {"CONSENT_KEYS": f"{KEY} {OTHER}"}, []),
        (KEY, {"CONSENT_KEYS": OTHER}, ["keys-left-behind"]),
        ("short", {}, ["keys"]),
    ],
)
def test_keys_of_a_file_are_judged(site: Maker, text: str, environ: Mapping[str, str], expected: list[str]) -> None:
    """A key that signed before, and counts no more, is told."""
    write_key(site(), text)
    assert [one.id for one in about_keys(site(), environ)] == expected


def test_a_key_file_that_others_may_read_is_an_error(site: Maker) -> None:
    """With the command that mends it."""
    write_key(site(), KEY, 0o644)
    assert ["chmod 600" in one.remedy for one in about_keys(site(), {})] == [True]


def test_a_key_file_in_git_is_told(site: Maker, tmp_path: Path) -> None:
    """Unless git ignores it."""
    write_key(site(), KEY)
    (tmp_path / ".git").mkdir()
    assert ids(about_keys(site(), {"CONSENT_KEYS": KEY})) == ["key-in-git"]
    (tmp_path / ".gitignore").write_text("*.key\n", encoding="ascii")
    assert ids(about_keys(site(), {"CONSENT_KEYS": KEY})) == []


# -- the store


def test_a_store_is_looked_at_and_not_made(site: Maker, tmp_path: Path) -> None:
    """One that is missing is a note; one that works is none; one that is no store is an error."""
    described = site()
    assert ids(about_records(described, NOW)) == ["no-records"]
    assert list(tmp_path.iterdir()) == []
    open_records(described.records).close()
    assert ids(about_records(described, NOW)) == []
    Path(described.records.removeprefix("sqlite:///")).write_bytes(b"no database" * 1_000)
    assert ids(about_records(described, NOW)) == ["records"]


def test_a_folder_that_is_not_there_is_an_error(site: Maker, tmp_path: Path) -> None:
    """The message names the folder and the setting."""
    found = list(about_records(site(records=f"sqlite:///{tmp_path}/nowhere/consent.db"), NOW))
    assert [(one.id, one.severity) for one in found][0] == ("no-folder", "error")
    assert f"{tmp_path}/nowhere" in found[0].what


def test_a_store_on_another_machine_that_is_away_is_an_error(site: Maker, tmp_path: Path) -> None:
    """It is asked, and the remedy says what to start."""
    described = site(records="redis://127.0.0.1:1/0?timeout=0.1", spool=str(tmp_path / "spool.db"))
    assert ids(about_records(described, NOW)) == ["records"]


def test_a_store_with_another_clock_is_an_error(site: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of the future can be neither purged nor published."""
    open_records(site().records).close()
    monkeypatch.setattr(SqliteRecords, "clock", lambda self: NOW - 3_600)
    assert ids(about_records(site(), NOW)) == ["clock"]


def test_seals_that_come_late_or_from_the_future_are_told(site: Maker) -> None:
    """What stood unsealed for two days was sealed by nobody; a seal of tomorrow was made by a wrong clock."""
    described, today = site(), int(NOW // 86_400)
    with closing(open_records(described.records, site=described.id)) as store:
        for number, day in enumerate((today, today - 1)):
            store.append(a_grant(f"{number}", site=described.id, day=day))
        assert ids(about_records(described, NOW)) == []
        store.append(a_grant("old", site=described.id, day=today - 2))
        assert ids(about_records(described, NOW)) == ["not-sealed"]
        away = replace(described, replica=f"postgresql://consent@127.0.0.1:{free_port()}/gone")
        assert ids(about_records(away, NOW)) == ["not-sealed", "replica"]
        seal_new(store, site=described.id, keys=(KEY,), today=today + 1)
    assert ids(about_records(described, NOW)) == ["seal-date"]


def test_settings_of_the_store_that_lose_grants_are_told(site: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of the store."""
    open_records(site().records).close()
    monkeypatch.setattr(SqliteRecords, "faults", lambda self: ["It forgets."])
    assert [(one.id, one.what) for one in about_records(site(), NOW)] == [("store-settings", "It forgets.")]


# -- layers


class Strange:
    """Middleware that nobody knows."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, *given: Any) -> Any:
        return self.app(*given)


class GZipMiddleware(Strange):
    """Middleware that compresses."""


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The configuration of the site that answers."""
    records = f"sqlite:///{tmp_path_factory.mktemp('answers')}/consent.db"
    own = {"controller": "X", "privacy_policy": "/privacy", "records": records}
    return config.load({"site": own, "services": [{"use": "youtube"}]})


@pytest.fixture(scope="module")
def held(described: Site) -> Iterator[ConsentMiddleware]:
    """A site with consent_mw around it, as it should be."""
    app = ConsentMiddleware(flask().wsgi_app, described)
    yield app
    app.engine.close()


@pytest.fixture(scope="module")
def reader(described: Site) -> Reader:
    """Reads its pages."""
    return Reader(described)


def flask() -> Flask:
    """Return a site of one page."""
    app = Flask("small", static_folder=None)
    app.add_url_rule("/", "home", lambda: page("<iframe src=https://www.youtube.com/embed/x></iframe>"))
    app.add_url_rule("/privacy", "privacy", lambda: page("<h1>Privacy</h1>"))
    return app


def test_the_order_of_wsgi_middleware_is_judged(described: Site, held: ConsentMiddleware) -> None:
    """Missing, twice, below something strange, above compression, and proxies that are counted twice or not at all."""

    def around(app: Any) -> ConsentMiddleware:
        again = copy(held)
        again.app = app
        return again

    app, behind = flask().wsgi_app, replace(described, trusted_proxies=1)
    assert ids(about_layers(app, described)) == ["not-wrapped"]
    assert ids(about_layers(held, described)) == []
    assert ids(about_layers(ProxyFix(GZipMiddleware(held)), described)) == []
    assert ids(about_layers(around(held), described)) == ["wrapped-twice"]
    assert ids(about_layers(Strange(held), described)) == ["middleware-order"]
    assert ids(about_layers(around(GZipMiddleware(app)), described)) == ["compressed-inside"]
    assert ids(about_layers(ProxyFix(held), behind)) == ["proxies-twice"]
    assert ids(about_layers(around(ProxyFix(app)), described)) == ["proxies-inside"]
    assert ids(about_layers(around(ProxyFix(app)), behind)) == []


def test_the_order_of_starlette_middleware_is_judged(described: Site) -> None:
    """What was added last is outermost."""
    from starlette.applications import Starlette

    below, above = Starlette(), Starlette()
    for kind in (ConsentASGIMiddleware, Strange):
        below.add_middleware(kind)
    for kind in (Strange, ConsentASGIMiddleware):
        above.add_middleware(kind)
    assert ids(about_layers(Starlette(), described)) == ["not-wrapped"]
    assert (ids(about_layers(below, described)), ids(about_layers(above, described))) == (["middleware-order"], [])


# -- the site that answers


def asked(app: Any, reader: Reader, path: str = "/", *, others: bool = False) -> list[str]:
    """Return the ids of the advice on an application that answers."""
    with closing(AppTarget(app, Bounds())) as target:
        return ids(about_site(target, reader, path, others=others))


def test_a_site_as_it_should_be_has_no_advice(held: ConsentMiddleware, reader: Reader) -> None:
    """It is asked for a page, its health, the signal and its policy, and takes a refusal."""
    assert asked(held, reader) == []


def changed(app: Any, change: Callable[[str, dict[str, str], bytes], bytes]) -> Any:
    """Return an application behind something that changes responses: given path, headers and body."""
    from werkzeug.test import run_wsgi_app

    def behind(environ: Any, start_response: Any) -> Any:
        chunks, status, headers = run_wsgi_app(app, environ, buffered=True)
        found = dict(headers.items())
        body = change(environ["PATH_INFO"], found, b"".join(chunks))
        found.pop("Content-Length", None)
        start_response(found.pop(":status", status), list(found.items()))
        return [body]

    return behind


def twice(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Put a second notice into pages, as a second gateway does."""
    return body.replace(b"</body>", b"<div data-cmw-banner></div></body>")


def cached(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Say that it comes out of a cache."""
    headers |= {"X-Cache": "HIT", "Age": "12"}
    return body


def without_mount(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Answer for the pages of ours."""
    return b"<h1>Not here</h1>" if path.startswith("/_cmw") else body


def without_signal(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Answer for well-known addresses."""
    return b"nothing" if path.startswith("/.well-known") else body


def without_cookies(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Take out cookies."""
    headers.pop("Set-Cookie", None)
    return body


def without_notice(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Send another page."""
    return page("x").encode() if path == "/" else body


def without_forms(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Refuse what is posted."""
    if path.endswith("/choice"):
        headers[":status"] = "403 Forbidden"
    return body


def put_in(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Put a frame into pages."""
    return body.replace(b"</body>", b"<iframe src=https://www.youtube.com/embed/y></iframe></body>")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (twice, ["wrapped-twice"]),
        (cached, ["cached", "proxies"]),
        (without_mount, ["not-wrapped"]),
        (without_signal, ["no-gpc-file"]),
        (without_cookies, ["choice-lost"]),
        (without_notice, ["no-notice"]),
        (without_forms, ["choice-refused"]),
        (put_in, ["loads"]),
    ],
)
def test_what_stands_in_front_of_the_site_is_seen(
    held: ConsentMiddleware,
    reader: Reader,
    change: Callable[[str, dict[str, str], bytes], bytes],
    expected: list[str],
) -> None:
    """A second wrapping, a cache, a proxy that answers, drops or adds something: each by its own id."""
    assert asked(changed(held, change), reader) == expected


def test_a_site_that_the_proxies_do_not_describe_refuses_choices(held: ConsentMiddleware, reader: Reader) -> None:
    """The application sees another host than visitors: the remedy names the headers."""

    def behind(environ: Any, start_response: Any) -> Any:
        return held({**environ, "HTTP_HOST": "app:8000", "wsgi.url_scheme": "http"}, start_response)

    with closing(AppTarget(behind, Bounds())) as target:
        found = {one.id: one for one in about_site(target, reader, "/")}
    assert "X-Forwarded-Host" in found["choice-refused"].remedy


def test_a_policy_that_is_not_there_is_told(held: ConsentMiddleware, reader: Reader) -> None:
    """By the setting that leads to it; what is on another host is asked for only if wanted."""

    def leading_to(policy: str) -> Reader:
        other = copy(reader)
        other.site = replace(reader.site, privacy_policy=policy)
        return other

    assert asked(held, leading_to("/nowhere")) == ["dead-link"]
    elsewhere = leading_to("http://127.0.0.1:1/privacy")
    assert (asked(held, elsewhere), asked(held, elsewhere, others=True)) == ([], ["dead-link"])


def test_links_to_other_hosts_are_followed_without_a_target(site: Maker) -> None:
    """If the owner asks for it; what lies on the site itself cannot be followed without the site."""
    gone = "http://127.0.0.1:9/"
    made = site(privacy_policy=gone + "privacy", contact="/contact")
    assert list(about_links(made, others=False)) == []
    (found,) = about_links(made, others=True)
    assert found.what == f"privacy_policy leads to {gone}privacy, and there is no answer: Connection refused."


def test_a_page_that_cannot_be_looked_at_is_an_error(held: ConsentMiddleware, reader: Reader) -> None:
    """Nothing else is said of it."""
    assert asked(held, reader, "/nowhere") == ["unreachable"]


def test_the_health_of_the_site_is_told(held: ConsentMiddleware, reader: Reader) -> None:
    """What the site says of its own store is passed on."""
    told = json.dumps({"live": True, "problems": ["The store does not answer."]}).encode()

    def health(path: str, headers: dict[str, str], body: bytes) -> bytes:
        return told if path.endswith("/health") else body

    assert asked(changed(held, health), reader) == ["health"]


# -- the command


APP = """
from flask import Flask
from consent_mw.flask import Consent

app = Flask("small")
app.add_url_rule("/", "home", lambda: "<!doctype html><title>x</title><iframe src=https://www.youtube.com/embed/x></iframe>")
Consent(app, {"site": {"controller": "X", "privacy_policy": "/gone"}, "services": [{"use": "youtube"}]})
"""


def test_the_command_looks_at_an_application_with_its_own_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a consent.toml, the configuration of the middleware counts; what is wrong exits with 1, with a remedy."""
    (tmp_path / "checked_app.py").write_text(APP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["check", "checked_app:app", "--json"]) == FOUND
    found = json.loads(capsys.readouterr().out)["advice"]
    assert [(one["severity"], one["id"]) for one in found if one["id"] != "pure"] == [
        ("warning", "dead-link"),
        ("note", "key-file"),
    ]
    assert main(["check", "checked_app:app"]) == FOUND
    assert "WARNING privacy_policy leads to /gone, which answers 404.  (dead-link)" in capsys.readouterr().out
    assert main(["check", "checked_app:nothing"]) == UNABLE
    assert main(["check", "checked_app:app", "--path", "no-slash"]) == UNABLE
    from consent_mw.audit.routes import layers_of

    app = __import__("checked_app").app
    next(layer for layer in layers_of(app) if isinstance(layer, ConsentMiddleware)).engine.close()
    assert os.path.exists(tmp_path / "consent.db")
