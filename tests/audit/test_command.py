"""``consent-mw audit`` as a command: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consent_mw.cli import FOUND
from consent_mw.cli import UNABLE
from consent_mw.cli import main
from tests.browser.harness import chromium

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


def test_a_browser_that_is_not_there_is_said(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the file, and the command could not look."""
    assert main(["audit", small, "-q", "--browser", "--browser-path", "/nowhere/chromium"]) == UNABLE
    assert "/nowhere/chromium" in capsys.readouterr().err
