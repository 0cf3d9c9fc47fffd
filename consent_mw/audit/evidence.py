"""
The evidence of an audit: a folder with the report, the requests, screenshots, and a manifest of their hashes.

``requests.har`` contains every request of the browser in the HTTP Archive format 1.2, with names of parameters but
without values, cookies, headers and bodies. The manifest lists each file with its size and SHA-256. The manifest's own
hash identifies the evidence, and goes into :mod:`consent_mw.proof.audits`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

from consent_mw.audit.browser_views import ShownRequest
from consent_mw.audit.browser_views import ShownView
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.formats import written
from consent_mw.errors import ConsentError

__all__ = ["Evidence", "evidence_of"]

FORMAT = "consent_mw.audit-evidence.v1"
_MANIFEST = "manifest.json"


class EvidenceExists(ConsentError):
    """The folder is not empty, and nothing is overwritten."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Files by name, including the manifest, and the manifest's hash in hexadecimal digits."""

    files: Mapping[str, bytes]
    digest: str

    def write(self, folder: Path) -> None:
        """
        Write the files into a new or empty folder.

        Raises:
            EvidenceExists: if the folder is not empty.
            OSError: if it cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise EvidenceExists(f"{folder} is not empty. Name a new folder: evidence is never overwritten.")
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def evidence_of(report: AuditReport, pictures: Mapping[str, bytes], browser: str = "") -> Evidence:
    """
    Return the evidence of a report.

    Args:
        pictures: PNG images by pass.
        browser: The browser and its version; empty without one.
    """
    files = {"report.html": written(report, "html").encode(), "report.json": written(report, "json").encode()}
    if report.browser:
        files["requests.har"] = _har(report, browser)
    for name, picture in pictures.items():
        files[re.sub(r"[^a-z0-9]+", "-", name.lower()) + ".png"] = picture
    listed = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(files.items())
    ]
    manifest = {
        "format": FORMAT,
        "target": report.target,
        "day": report.day,
        "made_by": f"consent_mw {version('consent_mw')}",
        "browser": browser,
        "open": [finding.id for finding in report.open],
        "files": listed,
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=True).encode() + b"\n"
    return Evidence({**files, _MANIFEST: text}, hashlib.sha256(text).hexdigest())


# -- HTTP Archive 1.2, http://www.softwareishard.com/blog/har-12-spec/


def _har(report: AuditReport, browser: str) -> bytes:
    started = f"{report.day}T00:00:00.000Z"  # only the day: no finer time is stored
    pages = [
        {"startedDateTime": started, "id": _page_id(view), "title": f"{view.path}, {view.name}", "pageTimings": {}}
        for view in report.browser
    ]
    entries = [_entry(view, request, started) for view in report.browser for request in view.requests]
    log = {
        "version": "1.2",
        "creator": {"name": "consent_mw", "version": version("consent_mw")},
        "browser": {"name": browser.partition(" ")[0], "version": browser.partition(" ")[2]},
        "pages": pages,
        "entries": entries,
    }
    return json.dumps({"log": log}, indent=1, ensure_ascii=True).encode() + b"\n"


def _page_id(view: ShownView) -> str:
    return f"{view.name}: {view.path}"


def _entry(view: ShownView, request: ShownRequest, started: str) -> dict[str, object]:
    url = request.url.replace("…", "")
    names = [name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)]
    unknown = {"cookies": [], "headers": [], "headersSize": -1, "bodySize": -1, "httpVersion": ""}
    return {
        "pageref": _page_id(view),
        "startedDateTime": started,
        "time": 0,
        "request": {
            "method": "",
            "url": url,
            "queryString": [{"name": name, "value": ""} for name in names],
            **unknown,
        },
        "response": {
            "status": 0,
            "statusText": "",
            "content": {"size": -1, "mimeType": ""},
            "redirectURL": "",
            **unknown,
        },
        "cache": {},
        "timings": {"send": -1, "wait": -1, "receive": -1},
        "_kind": request.kind,
        "_third_party": request.is_third,
        "_causes": list(request.causes),
    }
