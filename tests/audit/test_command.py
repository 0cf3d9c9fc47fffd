"""``consent-mw audit`` as a command: what it prints, and how it ends."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import flask
import pytest

from consent_mw.audit.browser_views import ShownRequest
from consent_mw.audit.browser_views import ShownView
from consent_mw.audit.evidence import evidence_of
from consent_mw.audit.findings import AuditReport
from consent_mw.cli import FOUND
from consent_mw.cli import UNABLE
from consent_mw.cli import main
from consent_mw.cli.audit import cookies_for
from consent_mw.engine import running_engines
from tests.browser.harness import chromium

#: The same behind consent_mw, with a frame in its markup, and with consent_mw's own configuration.
HELD = """
from flask import Flask

from consent_mw.flask import Consent

app = Flask("held", static_folder=None)
app.add_url_rule("/", view_func=lambda: (
    "<!doctype html><title>x</title><iframe src=https://www.youtube.com/embed/x></iframe><script src=/a.js></script>"))
app.add_url_rule("/a.js", endpoint="a", view_func=lambda: (
    "new Image().src = 'https://www.facebook.com/tr?id=1'", {"Content-Type": "text/javascript"}))
Consent(app, {"services": [{"use": "youtube"}, {"use": "meta-pixel"}]})
"""
APP = """
from flask import Flask

app = Flask("small", static_folder=None)
app.add_url_rule("/", view_func=lambda: "<!doctype html><title>x</title><script src=/a.js></script>")
app.add_url_rule("/a.js", endpoint="a", view_func=lambda: (
    "new Image().src = 'https://www.facebook.com/tr?id=1'", {"Content-Type": "text/javascript"}))
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of an application whose script loads a pixel; only a browser sees it."""
    name = f"small_{request.node.name}"
    (tmp_path / f"{name}.py").write_text(APP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return f"{name}:app"


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of an application with consent_mw around it, which would load a frame and a pixel."""
    name = f"held_{request.node.name}"
    (tmp_path / f"{name}.py").write_text(HELD, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    running = set(running_engines())
    yield f"{name}:app"
    for engine in set(running_engines()) - running:
        engine.close()


def test_before_compares_with_the_site_without_consent_mw(held: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The application is looked at once more with consent_mw standing aside, and afterwards it is held again."""
    for _ in range(2):
        assert main(["audit", held, "-q", "--before"]) == 0
        out = capsys.readouterr().out
        assert "1 before, 0 now: elements that load from others before a choice." in out
        assert "youtube" not in out
    assert main(["audit", held, "-q", "--before", "--format", "html"]) == 0
    assert "<b>1 before,</b> <b>0 now</b>" in capsys.readouterr().out


def test_before_needs_something_to_compare_with(
    small: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application without consent_mw is not compared with itself, but may be with another."""
    monkeypatch.setattr("consent_mw.engine.running_engines", list)
    assert main(["audit", small, "-q", "--before"]) == UNABLE
    assert "consent_mw is not around this application" in capsys.readouterr().err
    assert main(["audit", small, "-q", "--before", small]) == 0
    assert "0 before, 0 now" in capsys.readouterr().out


@pytest.mark.browser
def test_evidence_and_result_are_kept(held: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with report, requests without values, pictures and their hashes; the result stands beside the ledger."""
    folder = tmp_path / "evidence"
    state = tmp_path / "state.json"
    cookie = {"name": "session", "value": "s3", "domain": "localhost", "path": "/", "secure": True, "httpOnly": True}
    state.write_text(json.dumps({"cookies": [{**cookie, "sameSite": "Lax", "expires": -1}], "origins": []}))
    chosen = [
        "--browser",
        "--browser-path",
        chromium.find(),
        "--linger",
        "0",
        "--before",
        "--storage-state",
        str(state),
    ]
    assert main(["audit", held, "-q", *chosen, "--evidence", str(folder), "--record"]) == 0
    out, err = capsys.readouterr()
    assert (
        "Without consent_mw, a browser sends 2 requests to 2 other hosts and keeps 1 cookie before a choice."
        " With consent_mw, it sends no request to another host and keeps 1 cookie.\n"
    ) in out
    manifest = (folder / "manifest.json").read_bytes()
    assert hashlib.sha256(manifest).hexdigest() in err
    listed = {one["name"]: one["sha256"] for one in json.loads(manifest)["files"]}
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    assert listed == {name: digest for name, digest in found.items() if name != "manifest.json"}
    assert {"report.html", "report.json", "requests.har", "before-a-choice.png", "after-a-refusal.png"} <= set(listed)
    assert (folder / "before-a-choice.png").read_bytes().startswith(b"\x89PNG")
    assert main(["ledger", "audits", "--json"]) == 0
    kept = json.loads(capsys.readouterr().out)
    assert [(one["errors"], one["before"], one["now"]) for one in kept] == [(0, 1, 0)]
    assert (kept[0]["evidence"], kept[0]["sealed"]) == (hashlib.sha256(manifest).hexdigest(), "")
    assert main(["audit", held, "-q", "--evidence", str(folder)]) == UNABLE
    assert "is not empty" in capsys.readouterr().err


def test_a_login_is_read_from_a_storage_state(small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The cookies that Playwright saved are sent; a file of another kind is refused."""
    seen: list[str] = []
    app = importlib.import_module(small.partition(":")[0]).app
    app.before_request(lambda: seen.append(flask.request.headers.get("Cookie", "")))
    file = tmp_path / "state.json"
    file.write_text('{"cookies": [{"name": "session", "value": "s3"}], "origins": []}', encoding="utf-8")
    assert main(["audit", small, "-q", "--storage-state", str(file)]) == 0
    assert set(seen) == {"session=s3"}
    file.write_text('{"cookies": [1]}', encoding="utf-8")
    assert main(["audit", small, "-q", "--storage-state", str(file)]) == UNABLE
    assert "context.storage_state" in capsys.readouterr().err


def test_a_site_gets_its_own_cookies_alone() -> None:
    """A storage state may hold those of other sites, which are nobody else's business."""
    domains = ("shop.example", ".example", "www.shop.example", "other.example", "p.example", "")
    state = {"cookies": [{"name": f"n{place}", "value": "v", "domain": one} for place, one in enumerate(domains)]}
    assert cookies_for("https://shop.example/", state) == ("n0=v", "n1=v")
    assert len(cookies_for("shop:app", state)) == len(domains)


def test_an_archive_of_requests_has_names_and_no_values() -> None:
    """HTTP Archive 1.2: each request with its causes; parameters keep their names alone."""
    request = ShownRequest(
        "https://x.example/c?id=…&v=…", "x.example", "image", True, ("script https://s.example/a.js:1:2",)
    )
    report = AuditReport("s", "2026-11-29", browser=[ShownView("before a choice", "/", (request,), ())])
    log = json.loads(evidence_of(report, {}, "chromium 1").files["requests.har"])["log"]
    assert (log["version"], log["browser"], len(log["pages"])) == ("1.2", {"name": "chromium", "version": "1"}, 1)
    (entry,) = log["entries"]
    assert entry["pageref"] == log["pages"][0]["id"]
    assert entry["request"]["queryString"] == [{"name": "id", "value": ""}, {"name": "v", "value": ""}]
    assert entry["request"]["url"] == "https://x.example/c?id=&v="
    assert {"cookies", "headers"} <= {key for key in entry["request"] if entry["request"][key] == []}


@pytest.mark.browser
def test_a_browser_sees_what_a_script_loads(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a browser the page is fine; with one the pixel is found, and the report says which script it was."""
    assert main(["audit", small, "-q"]) == 0
    capsys.readouterr()
    chosen = ["--browser", "--browser-path", chromium.find(), "--linger", "0", "--format", "json"]
    assert main(["audit", small, "-q", *chosen]) == FOUND
    report = json.loads(capsys.readouterr().out)
    assert [(one["kind"], one["service"]) for one in report["findings"] if one["severity"] == "error"] == [
        ("fires-before-consent", "meta-pixel")
    ]
    causes = [one["causes"] for view in report["browser"] for one in view["requests"] if one["is_third"]]
    assert causes[0][0] == "script https://localhost/a.js:1:17"


@pytest.mark.parametrize("named", [["--browser"], ["--browser", "chromium"], ["--browser", "firefox"]])
def test_a_browser_that_is_not_there_is_said(small: str, named: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the file, and the command could not look; a target may follow the option."""
    assert main(["audit", "-q", "--browser-path", "/nowhere/browser", *named, small]) == UNABLE
    assert "/nowhere/browser did not start" in capsys.readouterr().err
