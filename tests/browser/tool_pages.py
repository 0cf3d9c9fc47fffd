"""Pages with other consent tools: six from their packages, four hosted ones with a stand-in."""

from __future__ import annotations

from typing import NamedTuple

from consent_mw.audit.notices import BUTTONS
from tests.browser.hosted_tools import HOSTED


class Tool(NamedTuple):
    """A package: its script, the set-up before and after it, its cookie, and the buttons for yes and no."""

    script: str
    before: str
    after: str
    cookie: str
    accept: str
    reject: str
    #: The tool's function for an answer, if its buttons appear before they work.
    answer: str = ""
    #: The page of a hosted tool.
    page: str = ""


#: The core of c15t, which its components for React use, too, with a button for each answer.
C15T = """<!doctype html><title>x</title><script type=importmap>{"imports": {
"c15t": "/npm/c15t/dist/index.js", "@c15t/schema/types": "/npm/@c15t/schema/dist/types.js",
"@c15t/translations": "/npm/@c15t/translations/dist/index.js", "zustand/vanilla": "/npm/zustand/esm/vanilla.mjs"
}}</script><body><h1>x</h1><script type=module>
import { getOrCreateConsentRuntime } from 'c15t';
const consentCategories = ['necessary', 'measurement', 'marketing'];
const { consentStore } = getOrCreateConsentRuntime({ mode: 'offline', consentCategories });
for (const [id, what] of [['yes', 'all'], ['no', 'necessary']]) {
  const onclick = () => consentStore.getState().saveConsents(what);
  document.body.append(Object.assign(document.createElement('button'), { id, textContent: id, onclick }));
}
</script>"""

PACKAGES = {
    "cookieconsent-3": Tool(
        "vanilla-cookieconsent/dist/cookieconsent.umd.js",
        "",
        "CookieConsent.run({hideFromBots: false,"
        "categories: {necessary: {readOnly: true}, analytics: {}, marketing: {}}, language: {"
        "default: 'en', translations: {en: {consentModal: {title: 'x', acceptAllBtn: 'Yes', acceptNecessaryBtn: 'No'},"
        "preferencesModal: {sections: []}}}}})",
        "cc_cookie=",
        "#cc-main [data-role=all]",
        "#cc-main [data-role=necessary]",
    ),
    "cookieconsent-2": Tool(
        "vanilla-cookieconsent-2/dist/cookieconsent.js",
        # Without its style sheet its notice stays hidden.
        "document.head.append(Object.assign(document.createElement('link'),"
        "{rel: 'stylesheet', href: '/npm/vanilla-cookieconsent-2/dist/cookieconsent.css'}))",
        "initCookieConsent().run({hide_from_bots: false, current_lang: 'en', languages: {en: {"
        "consent_modal: {title: 'x', description: 'x',"
        "primary_btn: {text: 'Yes', role: 'accept_all'}, secondary_btn: {text: 'No', role: 'accept_necessary'}},"
        "settings_modal: {title: 'x', save_settings_btn: 'x', blocks: ["
        "{title: 'x', toggle: {value: 'necessary', enabled: true, readonly: true}},"
        "{title: 'x', toggle: {value: 'analytics', enabled: false, readonly: false}}]}}}})",
        "cc_cookie=",
        "#c-p-bn",
        "#c-s-bn",
    ),
    "klaro": Tool(
        "klaro/dist/klaro.js",
        "window.klaroConfig = {acceptAll: true, services: ["
        "{name: 'google-analytics', purposes: ['statistics']}, {name: 'session', purposes: ['x'], required: true}]}",
        "",
        "klaro=",
        ".klaro .cm-btn-success",
        ".klaro .cn-decline",
    ),
    "tarteaucitron": Tool(
        "tarteaucitronjs/tarteaucitron.min.js",
        "",
        "tarteaucitron.user.gtagUa = 'G-AAAAA1'; tarteaucitron.init({highPrivacy: true, AcceptAllCta: true,"
        "DenyAllCta: true, orientation: 'bottom', cookieName: 'tarteaucitron'});"
        "(tarteaucitron.job = tarteaucitron.job || []).push('gtag')",
        "gtag=(true|false)",
        "#tarteaucitronPersonalize2",
        "#tarteaucitronAllDenied2",
        "yes => tarteaucitron.userInterface.respondAll(yes)",
    ),
    "osano-cookieconsent": Tool(
        "cookieconsent/build/cookieconsent.min.js",
        "",
        "cookieconsent.initialise({type: 'opt-in'})",
        "cookieconsent_status=",
        ".cc-allow",
        ".cc-deny",
    ),
    "c15t": Tool("c15t/dist/index.js", "", "", "c15t=", "#yes", "#no", page=C15T),
}
TOOLS_HERE = {
    **PACKAGES,
    **{
        name: Tool(
            "", "", "", "(CookieConsent|OptanonConsent|cookieyes-consent|cmplz_marketing)=", *BUTTONS[name][1:]
        )._replace(page=hosted.page)
        for name, hosted in HOSTED.items()
    },
}


def page_of(tool: Tool) -> str:
    """Return a page with the tool."""
    return tool.page or (
        f"<!doctype html><title>x</title><body><h1>x</h1><script>{tool.before}</script>"
        f"<script src='/npm/{tool.script}'></script><script>{tool.after}</script>"
    )
