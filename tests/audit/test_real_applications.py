"""
Applications from packages: what their pages load is found; set up by ``init``, nothing of it loads, for any visitor.

``python -m tools.audit_reports`` does the same in a browser.
"""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.audit.findings import reached
from consent_mw.audit.passes import PASSES
from tools.audit_reports import APPLICATIONS
from tools.audit_reports import audited

#: The services that an owner would ask about.
ASKED = {"mkdocs": {"google-analytics"}, "datasette": {"google-analytics"}, "flask-admin": {"hotjar"}}


@pytest.mark.parametrize("name", ASKED)  # test_init.py has the demo
def test_an_application_is_clean_once_init_set_it_up(name: str, tmp_path: Path) -> None:
    """Bare it has errors; with the file that init writes it has none, and nothing loads that loaded before."""
    found = audited(name, APPLICATIONS[name](tmp_path), tmp_path, date(2026, 11, 29), None)
    assert {one.kind for one in found.bare.open} >= {"fires-before-consent"}
    assert [(one.kind, one.service) for one in found.wrapped.open] == []
    assert set(found.wrapped.pages) == set(PASSES)
    assert reached(found.bare).elements > reached(found.wrapped).elements == 0
    asked = {service.id for service in config.load(tomllib.loads(found.toml)).services}
    assert asked >= ASKED[name]
