"""The pytest plugin, as a project uses it: fixtures, settings, and messages that say what to mend."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from consent_mw.cli import cli
from tests.browser.harness import chromium

CONFTEST = """
from flask import Flask

pytest_plugins = ["consent_mw.testing.pytest_plugin"]
CODE = "new Image().src = 'https://www.facebook.com/tr?id=1'"


def site(tag):
    app = Flask("small", static_folder=None)
    page = f"<!doctype html><title>x</title><h1>x</h1>{tag}"
    app.add_url_rule("/", "home", lambda: page)
    app.add_url_rule("/a.js", "script", lambda: (CODE, {"Content-Type": "text/javascript"}))
    return app
"""
TESTS = """
import pytest
from conftest import site


def test_markup(assert_held):
    assert_held(site("<p>fine").test_client().get("/"))
    with pytest.raises(AssertionError, match="own-widget"):
        assert_held(site("<script src=https://w.example/a.js></script>").test_client().get("/"))


def test_scripts(consent_browser):
    consent_browser.assert_held(site("<script src=/a.js></script>"), "/")


def test_lost(consent_browser):
    consent_browser.assert_held(site(""), "/nowhere")


def test_other_machine(consent_browser):
    consent_browser.assert_held("https://example.org/")
"""
CONFIG = """
[[services]]
use = "meta-pixel"

[[services]]
id = "own-widget"
vendor = "Own"
hosts = ["w.example"]
purposes = ["embeds"]
"""


@pytest.mark.browser
def test_a_project_uses_the_fixtures(tmp_path: Path) -> None:
    """Markup and scripts that fire fail with their cause; a page that is missing is no clean page."""
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_site.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "privacy.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nconsent_config = privacy.toml\n", encoding="utf-8")
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", f"--consent-browser={chromium.find()}"]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    said = run.stdout
    assert "3 failed, 1 passed" in said, said + run.stderr
    assert "fires-before-consent before a choice, " in said
    assert (
        "https://www.facebook.com/tr?id=… < script https://localhost/a.js:1:17 < parser https://localhost/:1:" in said
    )
    assert "These pages could not be looked at: /nowhere: the site answered 404" in said
    assert "https://example.org/ is not on this machine" in said


def commands_in(document: str) -> list[list[str]]:
    """Return the commands of ours in the YAML blocks of a document."""
    blocks = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
    lines = [line for block in blocks for line in re.findall(r"(?:run|entry): (consent-mw .*)", block)]
    return [shlex.split(line)[1:] for line in lines]


def test_the_workflows_of_the_documents_call_commands_that_exist() -> None:
    """Each block is YAML, and each of our commands in it parses with all its options."""
    document = (Path(__file__).resolve().parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    for block in re.findall(r"```yaml\n(.*?)```", document, re.DOTALL):
        assert set(yaml.safe_load(block)) & {"jobs", "repos"}
    commands = commands_in(document)
    assert len(commands) >= 5
    for name, *options in commands:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        command.make_context(name, list(options), resilient_parsing=False)
