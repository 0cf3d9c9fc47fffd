"""A accepts and reads a page that asks what is allowed; then comes B, who was never asked."""

import os
import sys

from flask import Flask
from flask import g

from consent_mw.flask import Consent

WORK = os.environ["FIELD_WORK"]
app = Flask(__name__)
Consent(
    app,
    {"site": {"records": f"sqlite:///{WORK}/consent.db", "isp": "off"}, "services": [{"use": "google-analytics"}]},
)


@app.get("/")
def page() -> str:
    """Show the part for who allows statistics, or the other one."""
    part = "own statistics run" if g.consent.allows("analytics") else "no statistics"
    return f"<!doctype html><html lang=en><head><title>T</title></head><body><p>{part}</p></body></html>"


BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0 Safari/537.36",
    "Accept": "text/html",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Dest": "document",
}
SITE = "https://shop.example"
a, b = app.test_client(), app.test_client()
done = a.post("/_cmw/choice", base_url=SITE, data={"action": "accept-all", "back": "/"}, headers=BROWSER)
seen_by_a = a.get("/", base_url=SITE, headers=BROWSER)
seen_by_b = b.get("/", base_url=SITE, headers=BROWSER)
if done.status_code != 303 or "own statistics run" not in seen_by_a.text:
    sys.exit(f"A to get the consented part after accepting / status {done.status_code}")
if "own statistics run" in seen_by_b.text:
    sys.exit("B, who was never asked, to get the part without statistics / B got A's page")
kept_by = seen_by_a.headers.get("Cache-Control", "")
if "private" not in kept_by and "no-store" not in kept_by:
    sys.exit(f"no cache to keep A's page for others / Cache-Control: {kept_by}")
