"""The document of a notice: what it holds, and what changes the hash that addresses it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.core.choice import Decision
from consent_mw.core.choice import Reason
from consent_mw.core.model import Site
from consent_mw.notice import assets
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage

ROOT = Path(__file__).resolve().parents[2]
ASSETS = Assets()
CONFIG = {
    "site": {"name": "Shop & Söhne", "controller": "Shop Ltd", "languages": ["en", "de"], "privacy_policy": "/privacy"},
    "services": [{"use": "google-analytics"}, {"use": "meta-pixel", "retention_days": 90}],
}
SITE = config.load(CONFIG)


def read(site: Site = SITE) -> dict[str, object]:
    """Return what the document of a site's notice says."""
    said: dict[str, object] = json.loads(Notice(site, ASSETS).document)
    return said


@pytest.mark.parametrize("gpc", [False, True], ids=["plain", "gpc"])
@pytest.mark.parametrize("lang", ["en", "de"])
def test_the_document_holds_the_banner_as_it_is_sent(lang: str, gpc: bool) -> None:
    """What the document calls the banner, and its style, occurs byte by byte in what a page is given."""
    notice = Notice(SITE, ASSETS)
    decision = Decision(frozenset(), frozenset(), prompt=True, reason=Reason.ABSENT, gpc=gpc)
    sent = notice.insertion(NoticePage(decision=decision, lang=lang, nonce="", back="/", root=SITE.mount)).decode(
        "ascii"
    )
    said = json.loads(notice.document)
    shown = said["languages"][lang]
    # Without a signal the control that opens the choices again comes with the answer.
    names = ["banner_gpc", "reopen_gpc"] if gpc else ["banner"]
    parts = [*(shown[name] for name in names), said["styles"]["banner.css" if gpc else "first.css"]]
    assert [part for part in parts if part not in sent or len(part) < 100] == []


def test_the_digest_addresses_the_document() -> None:
    """The digest is the SHA-256 of the document, in hex."""
    notice = Notice(SITE, ASSETS)
    assert hashlib.sha256(notice.document).hexdigest() == notice.digest


def test_another_process_makes_the_same_bytes() -> None:
    """Two processes with one configuration, and different hash seeds, agree on the digest."""
    program = (
        "import json, sys; from consent_mw import config; from consent_mw.notice.assets import Assets;"
        "from consent_mw.notice.banner import Notice; print(Notice(config.load(json.load(sys.stdin)), Assets()).digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            input=json.dumps(CONFIG),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {Notice(SITE, ASSETS).digest}


@pytest.mark.parametrize(
    "other",
    [
        replace(SITE, controller="Shop Limited"),
        replace(SITE, privacy_policy="/privacy-policy"),
        replace(SITE, languages=("en",)),
        replace(SITE, record_days=541),
        replace(SITE, services=SITE.services[:1]),
        replace(SITE, services=(replace(SITE.services[0], vendor="Somebody"), SITE.services[1])),
        replace(SITE, services=(replace(SITE.services[0], country="DE"), SITE.services[1])),
        replace(SITE, services=(replace(SITE.services[0], description={"en": "Counts."}), SITE.services[1])),
    ],
    ids=["controller", "policy", "languages", "retention", "services", "vendor", "country", "description"],
)
def test_what_a_visitor_reads_changes_the_digest(other: Site) -> None:
    """A notice that says anything else has another address."""
    assert Notice(other, ASSETS).digest != Notice(SITE, ASSETS).digest


def test_one_word_of_one_language_changes_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of the preferences page in the second language counts as well."""
    before = Notice(SITE, ASSETS).digest
    changed = {**assets.texts()["de"], "page.intro": assets.texts()["de"]["page.intro"] + "!"}
    monkeypatch.setitem(assets.texts()._whole, "de", changed)
    assert Notice(SITE, ASSETS).digest != before


def test_what_is_not_shown_leaves_the_digest() -> None:
    """How a service is recognised, and where records are kept, is no part of the notice."""
    quiet = replace(SITE, services=(replace(SITE.services[0], hosts=("other.example",)), SITE.services[1]))
    assert {Notice(site, ASSETS).digest for site in (SITE, quiet, replace(SITE, records="sqlite:///x.db"))} == {
        Notice(SITE, ASSETS).digest
    }


def test_the_document_says_what_is_agreed_to() -> None:
    """Vendor, retention and transfer of each service, who is responsible, and the revision are in it."""
    said = read()
    services = {service["id"]: service for service in said["services"]}  # type: ignore[attr-defined]
    assert (said["revision"], said["site"]["controller"], services["meta-pixel"]["retention_days"]) == (  # type: ignore[index]
        SITE.revision,
        "Shop Ltd",
        90,
    )
