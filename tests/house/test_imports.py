"""The cost of an import: a program that needs one name of the package does not load the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import consent_mw

#: Modules that take long to import, and that only a running site needs.
_HEAVY = ("asyncio", "consent_mw.engine", "consent_mw.html", "consent_mw.records", "flask", "sqlite3")
#: Modules that a site needs only with certain settings, or that only a command needs.
_RARE = ("cookies.migrating", "engine.shadow", "proof.verifying", "records.spool")


@pytest.mark.parametrize("name", ["ConsentMiddleware", "ConsentASGIMiddleware", "Decision", "ConsentError"])
def test_a_name_brings_no_running_site(name: str) -> None:
    """The reader, the records and the engine are loaded with the first site."""
    code = f"import sys; from consent_mw import {name}; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not {module for module in said.split() if module in _HEAVY or module.startswith("consent_mw.html.")}


def test_a_plain_site_brings_nothing_of_other_settings(tmp_path: Path) -> None:
    """A worker pays memory for each module, so a site with the default settings loads none that it never uses."""
    config = {"site": {"records": f"sqlite:///{tmp_path}/c.db", "isp": "off"}}
    code = (
        "import sys; from consent_mw import ConsentMiddleware; "
        f"ConsentMiddleware(lambda *_: [], {config}).close(); print(*sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "consent_mw.engine" in said
    assert not {f"consent_mw.{name}" for name in _RARE}.intersection(said)


def test_every_public_name_is_there() -> None:
    """Every public name can be accessed, and ``dir()`` lists it."""
    for name in consent_mw.__all__:
        assert getattr(consent_mw, name).__name__ == name
    assert set(consent_mw.__all__) <= set(dir(consent_mw))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = consent_mw.Nothing  # type: ignore[attr-defined]
