"""The public names: a change here is a change of the public interface, and must be intended."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import consent_mw
from consent_mw.core.model import Site

STATIC = Path(__file__).resolve().parents[2] / "static"

PUBLIC = [
    "ConsentASGIMiddleware",
    "ConsentError",
    "ConsentJobs",
    "ConsentMiddleware",
    "Decision",
    "Purpose",
    "Record",
    "Service",
    "Site",
    "consent_banner",
    "current",
    "open_records",
]


def test_the_package_exports_exactly_the_public_names() -> None:
    """``__all__`` lists the public names, sorted, and nothing else."""
    assert list(consent_mw.__all__) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_can_be_imported(name: str) -> None:
    """Each public name is an attribute of the package, even if it is loaded lazily."""
    assert getattr(consent_mw, name) is not None


def test_dir_shows_the_public_names() -> None:
    """An interactive user sees the public names."""
    assert set(PUBLIC) <= set(dir(consent_mw))


def test_the_flask_extension_is_named_consent() -> None:
    """Flask sites use ``consent_mw.flask.Consent``."""
    assert importlib.import_module("consent_mw.flask").Consent.__name__ == "Consent"


def test_the_default_mount_is_the_documented_one() -> None:
    """Pages of the layer are under ``/_cmw``."""
    assert Site().mount == "/_cmw"


@pytest.mark.parametrize("name", ["cmw:change", "consentMw", "data-cmw-held", "data-cmw-state"])
def test_the_runtime_keeps_the_names_that_pages_use(name: str) -> None:
    """The runtime has the event, the object and the attributes that site scripts rely on."""
    text = (STATIC / "runtime.js").read_text(encoding="utf-8")
    # The runtime may reach data-cmw-state through dataset or by its prefix.
    dataset = name.removeprefix("data-").title().replace("-", "")
    assert name in text or dataset[0].lower() + dataset[1:] in text
