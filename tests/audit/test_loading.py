"""An application on the command line: by its name, by a call, and what is said of one that does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_mw.audit.loading import NoTarget
from consent_mw.audit.loading import load_app
from consent_mw.cli import UNABLE
from consent_mw.cli import main

MODULE = """
from flask import Flask

def make(name="x", *, port=1):
    app = Flask("made")
    app.config.update(NAME=name, PORT=port)
    return app

def fails():
    raise RuntimeError("no database")

def leaves():
    raise SystemExit("set DATABASE_URL")

def nothing():
    return None

async def asynchronous(scope, receive, send): ...

class Site:
    app = make("site")
"""


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules in the current folder, under names that no other test has."""
    for name, text in {
        "loaded_site": MODULE,
        "loaded_error": "import os\nos.environ['NO_SUCH_SETTING']",
        "loaded_syntax": "def (",
        "loaded_import": "from flask import nothing_of_this_name",
        "loaded_exit": "raise SystemExit(3)",
    }.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("loaded_site:make()", ("x", 1)),
        ("loaded_site:make('a b')", ("a b", 1)),
        ("loaded_site:make(name='y', port=8_000)", ("y", 8000)),
        ("loaded_site:make(*['z'])", None),
        ("loaded_site:Site.app", ("site", 1)),
    ],
)
def test_an_application_is_made_by_a_call(name: str, config: tuple[str, int] | None) -> None:
    """With literal arguments, as gunicorn does; nothing else is evaluated."""
    if config is None:
        with pytest.raises(NoTarget, match="literal arguments"):
            load_app(name)
        return
    app = load_app(name)
    assert (app.config["NAME"], app.config["PORT"]) == config


def test_a_function_may_be_the_application() -> None:
    """One that takes what WSGI or ASGI give it."""
    assert callable(load_app("loaded_site:asynchronous"))
    assert callable(load_app("tests.audit.test_targets:streaming"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("loaded_error:app", r"does not start: KeyError: 'NO_SUCH_SETTING' \(.*loaded_error\.py, line 2\)"),
        ("loaded_syntax:app", r"does not start: SyntaxError: .*loaded_syntax\.py, line 1"),
        ("loaded_import:app", r"does not start: ImportError: .*loaded_import\.py, line 1"),
        ("loaded_exit:app", r"does not start: SystemExit: 3 \("),
        ("loaded_site:fails()", r"does not start: RuntimeError: no database \(.*loaded_site\.py, line 10\)"),
        ("loaded_site:leaves()", r"does not start: SystemExit: set DATABASE_URL"),
        ("loaded_site:make(1, 2, 3)", r"does not start: TypeError: make\(\) takes"),
        ("loaded_site:nothing()", "is NoneType, which is not a WSGI or ASGI application"),
        ("loaded_site:nothing", r"takes no request.*write loaded_site:nothing\(\.\.\.\)"),
        ("loaded_site:make(open('x'))", "only a call with literal arguments"),
        ("loaded_site:make(", "only a call with literal arguments"),
        ("loaded_site:(1)", "only a call with literal arguments"),
        ("loaded_site:", "names no application"),
        (":app", "names no application"),
    ],
)
def test_an_application_that_does_not_start_is_told(name: str, said: str) -> None:
    """In one line: what went wrong, and where in the site's own code."""
    with pytest.raises(NoTarget, match=said) as raised:
        load_app(name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("command", ["audit", "init"])
def test_a_site_that_does_not_start_is_not_clean_and_has_no_findings(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command could not look, and CI can tell this from findings."""
    assert main([command, "loaded_error:app", "-q"]) == UNABLE
    assert "does not start" in capsys.readouterr().err
