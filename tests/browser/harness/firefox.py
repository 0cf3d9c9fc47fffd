"""
Firefox ESR, headless: a fresh process and profile for every session, driven over Marionette.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.browser.harness.engines import PATIENCE
from tests.browser.harness.engines import BrowserError
from tests.browser.harness.engines import arrived
from tests.browser.harness.engines import executable
from tests.browser.harness.engines import heard
from tests.browser.harness.engines import missing
from tests.browser.harness.marionette import ELEMENT
from tests.browser.harness.marionette import Marionette
from tests.browser.harness.processes import free_port
from tests.browser.harness.processes import running
from tests.browser.harness.proxy import Lane

VARIABLE = "CONSENT_MW_FIREFOX"
PACKAGES = "firefox-esr"

Pref = bool | int | str

#: Firefox's background requests: switched off, or sent to a name that does not exist.
QUIET: dict[str, Pref] = {
    "app.normandy.enabled": False,
    "app.update.auto": False,
    "app.update.disabledForTesting": True,
    "app.update.enabled": False,
    "browser.contentblocking.report.hide_vpn_banner": True,
    "browser.discovery.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.newtabpage.activity-stream.asrouter.providers.cfr": "null",
    "browser.newtabpage.activity-stream.asrouter.providers.message-groups": "null",
    "browser.newtabpage.activity-stream.asrouter.providers.messaging-experiments": "null",
    "browser.newtabpage.activity-stream.feeds.system.topstories": False,
    "browser.newtabpage.activity-stream.feeds.topsites": False,
    "browser.ping-centre.telemetry": False,
    "browser.region.network.url": "",
    "browser.region.update.enabled": False,
    "browser.safebrowsing.blockedURIs.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "browser.search.geoSpecificDefaults": False,
    "browser.search.suggest.enabled": False,
    "browser.search.update": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage": "about:blank",
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "browser.topsites.contile.enabled": False,
    "browser.topsites.useRemoteSetting": False,
    "browser.uitour.enabled": False,
    "browser.vpn_promo.enabled": False,
    "captivedetect.canonicalURL": "",
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.usage.uploadEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.blocklist.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.getAddons.discovery.api_url": "data:application/json,[]",
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "geo.provider.network.url": "",
    "identity.fxaccounts.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "media.gmp-manager.url": "data:text/xml,<updates></updates>",
    "messaging-system.rsexperimentloader.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.trr.mode": 5,
    "nimbus.rollouts.enabled": False,
    "privacy.trackingprotection.allow_list.baseline.enabled": False,
    "security.OCSP.enabled": 0,
    "security.remote_settings.crlite_filters.enabled": False,
    "security.remote_settings.intermediates.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "signon.rememberSignons": False,
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "data:,",
    "toolkit.telemetry.unified": False,
    "webapprt.app_update_interval": 86_400_000,
}

#: Settings that the measurement needs.
NEEDED: dict[str, Pref] = {
    # Marionette's recommended settings would switch off speculative connections, which must be seen.
    "remote.prefs.recommended": False,
    "browser.dom.window.dump.enabled": False,
    "browser.tabs.warnOnClose": False,
    "browser.warnOnQuit": False,
    "datareporting.policy.firstRunURL": "",
    "dom.disable_beforeunload": True,
    # Firefox pins certificates of large vendors; the proxy's certificates would not pass.
    "security.cert_pinning.enforcement_level": 0,
    "toolkit.startup.max_resumed_crashes": -1,
    # Firefox's lists contain some of the tags; only consent_mw should hold them.
    "privacy.trackingprotection.enabled": False,
    "privacy.trackingprotection.cryptomining.enabled": False,
    "privacy.trackingprotection.fingerprinting.enabled": False,
    "privacy.trackingprotection.socialtracking.enabled": False,
    "privacy.trackingprotection.emailtracking.enabled": False,
}


def find() -> str:
    """Return the path of the browser; skip (or fail in CI) if there is none."""
    path = executable(VARIABLE, "/usr/bin/firefox-esr", "firefox-esr", "firefox")
    return path if path is not None else missing("Firefox", VARIABLE, PACKAGES)


class FirefoxSession:
    """One Firefox with one tab."""

    def __init__(self, lane: Lane, client: Marionette) -> None:
        self._lane = lane
        self._client = client

    def open(self, url: str) -> None:
        """See :class:`~tests.browser.harness.engines.Session`."""
        self._client.command("WebDriver:Navigate", {"url": url})
        self._lane.settle()

    def click(self, selector: str) -> None:
        """See :class:`~tests.browser.harness.engines.Session`."""
        mark = self._lane.mark()
        self._client.command("WebDriver:ElementClick", {"id": self._find(selector)})
        heard(self._lane, selector, mark)
        self._lane.settle()

    def click_inside(self, frame: str, selector: str) -> None:
        """Click an element of the document in a frame, and wait as after any click."""
        self._client.command("WebDriver:SwitchToFrame", {"element": self._find(frame)})
        try:
            self._client.command("WebDriver:ElementClick", {"id": self._find(selector)})
        finally:
            # The click may have removed the frame or replaced the page.
            self._client.command("WebDriver:SwitchToFrame", {"id": None})
        self._lane.settle()

    def _find(self, selector: str) -> str:
        found = self._client.command("WebDriver:FindElement", {"using": "css selector", "value": selector})
        if not isinstance(found, dict):
            raise BrowserError(f"no element for {selector}")
        return str(found[ELEMENT])

    def follow(self, selector: str, url: str) -> None:
        """See :class:`~tests.browser.harness.engines.Session`; the click itself waits for the page's load."""
        mark = self._lane.mark()
        self.click(selector)
        arrived(self._lane, url, mark)

    def html(self) -> str:
        """See :class:`~tests.browser.harness.engines.Session`."""
        return str(self._client.command("WebDriver:GetPageSource"))


class Firefox:
    """The Firefox engine."""

    name = "firefox"

    def __init__(self, path: str) -> None:
        self._path = path

    @contextlib.contextmanager
    def session(self, lane: Lane, scripts: bool) -> Iterator[FirefoxSession]:
        """See :class:`~tests.browser.harness.engines.Engine`."""
        with tempfile.TemporaryDirectory(prefix="cmw-firefox-", ignore_cleanup_errors=True) as home:
            port = free_port()
            prefs: dict[str, Pref] = {
                **QUIET,
                **NEEDED,
                "marionette.port": port,
                "javascript.enabled": scripts,
                "network.proxy.type": 1,
                "network.proxy.http": "127.0.0.1",
                "network.proxy.http_port": lane.port,
                "network.proxy.ssl": "127.0.0.1",
                "network.proxy.ssl_port": lane.port,
                "network.proxy.no_proxies_on": "",
                "network.proxy.failover_direct": False,
                "network.proxy.allow_hijacking_localhost": True,
            }
            lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in prefs.items()]
            profile = Path(home) / "profile"
            profile.mkdir()
            (profile / "user.js").write_text("".join(lines), encoding="utf-8")
            command = [
                self._path,
                "--marionette",
                "--headless",
                "--no-remote",
                "--new-instance",
                "--profile",
                str(profile),
            ]
            environ = {
                **os.environ,
                "HOME": home,
                "MOZ_CRASHREPORTER_DISABLE": "1",
                # Without this a release build ignores the settings server of the profile (see QUIET).
                "MOZ_REMOTE_SETTINGS_DEVTOOLS": "1",
            }
            with running(command, environ) as process, contextlib.closing(_connect(process, port)) as client:
                client.command("WebDriver:NewSession", {"acceptInsecureCerts": True})
                yield FirefoxSession(lane, client)


def _connect(process: subprocess.Popen[bytes], port: int) -> Marionette:
    """Return a client as soon as Firefox listens."""
    deadline = time.monotonic() + PATIENCE * 2
    while True:
        try:
            return Marionette(port)
        except OSError as error:
            if process.poll() is not None:
                raise BrowserError(f"Firefox ended at its start with status {process.returncode}") from error
            if time.monotonic() > deadline:
                raise BrowserError("Firefox does not open its Marionette port") from error
        time.sleep(0.05)
