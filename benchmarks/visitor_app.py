"""
One page for visitors: bare, wrapped in consent_mw, and with each of the other tools as in its documentation.

All variants are on one host. The page has a Google tag. The files of the other tools come from the packages of
``tests/npm``. The configuration is the same for all: one purpose, and a notice with buttons to accept all, to reject
all, and to choose.
"""

from __future__ import annotations

import mimetypes
import os
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import c15t_bundle
from benchmarks.pages import WORDS
from consent_mw import ConsentMiddleware
from tests import npm_packages

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

CSS = (
    "body{max-width:44rem;margin:0 auto;padding:1rem;font:1rem/1.6 sans-serif}h1{font-size:2rem}"
    "h2{font-size:1.3rem;margin:2rem 0 .5rem}a{color:#1d3557}"
)

#: The folder with the files of the packages.
FILES = "/npm/"
#: The bundle of c15t and React.
BUNDLE = "/c15t/"

TEXT = "We use cookies and similar technologies for statistics."

_LOADER = "https://www.googletagmanager.com/gtag/js?id=G-BENCH"
_CALLS = (
    "window.dataLayer=window.dataLayer||[];function gtag(){dataLayer.push(arguments)}"
    "gtag('js',new Date());gtag('config','G-BENCH')"
)
PLAIN_TAG = f'<script async src="{_LOADER}"></script>\n<script>{_CALLS}</script>\n'


@dataclass(frozen=True, slots=True)
class Setup:
    """
    How one of the tools is set up in the page.

    Args:
        name: Its name in the table; the version comes from the package.
        package: Its name on npm; empty for the bare page and for ours.
        head: The markup for the head, from its documentation.
        tag: The Google tag in the form that its documentation requires.
        banner: A selector for its notice.
        accept: A selector for the button that accepts all.
        reject: Selectors of the elements to tap in order to refuse everything.
        choose: The same to grant only statistics; empty if the notice does not offer that.
    """

    name: str
    package: str
    head: str
    tag: str
    banner: str
    accept: str
    reject: tuple[str, ...] = ()
    choose: tuple[str, ...] = ()


BARE = Setup("bare page", "", "", PLAIN_TAG, "", "")
OURS = Setup(
    "consent_mw",
    "",
    "",
    PLAIN_TAG,
    "[data-cmw-banner]",
    '[data-cmw-banner] [data-cmw-action="accept-all"]',
    ('[data-cmw-banner] [data-cmw-action="reject-all"]',),
    (
        "[data-cmw-banner] .cmw-more > summary",
        '[data-cmw-banner] input[value="analytics"]',
        '[data-cmw-banner] [data-cmw-action="save"]',
    ),
)

#: https://cookieconsent.orestbida.com/essential/getting-started.html, with the module's file from the package. It
#: treats an automated browser as a bot, so hiding from bots is off.
ORESTBIDA = Setup(
    "cookieconsent (orestbida)",
    "vanilla-cookieconsent",
    f"""<link rel="stylesheet" href="{FILES}vanilla-cookieconsent/dist/cookieconsent.css">
<script type="module">
import '{FILES}vanilla-cookieconsent/dist/cookieconsent.umd.js';
CookieConsent.run({{
  hideFromBots: false,
  categories: {{ necessary: {{ enabled: true, readOnly: true }}, analytics: {{}} }},
  language: {{ default: 'en', translations: {{ en: {{
    consentModal: {{
      title: 'Cookies: your choice', description: '{TEXT}',
      acceptAllBtn: 'Accept all', acceptNecessaryBtn: 'Reject all', showPreferencesBtn: 'Choose'
    }},
    preferencesModal: {{
      title: 'Choose', acceptAllBtn: 'Accept all', acceptNecessaryBtn: 'Reject all', savePreferencesBtn: 'Save choice',
      closeIconLabel: 'Close', sections: [
        {{ title: 'Necessary', description: 'What the site cannot work without.', linkedCategory: 'necessary' }},
        {{ title: 'Statistics', description: 'See which parts of the site are used.', linkedCategory: 'analytics' }}
      ]
    }}
  }} }} }}
}});
</script>
""",
    f'<script type="text/plain" data-category="analytics" async src="{_LOADER}"></script>\n'
    f'<script type="text/plain" data-category="analytics">{_CALLS}</script>\n',
    "#cc-main .cm",
    "#cc-main .cm__btn[data-role=all]",
    ("#cc-main .cm__btn[data-role=necessary]",),
    (
        "#cc-main .cm__btn[data-role=show]",
        "#cc-main .pm .section__toggle[value=analytics]",
        "#cc-main .pm__btn[data-role=save]",
    ),
)

#: https://www.osano.com/cookieconsent/documentation; the site's own code has to hold the tag.
OSANO = Setup(
    "cookieconsent (Osano)",
    "cookieconsent",
    f"""<link rel="stylesheet" href="{FILES}cookieconsent/build/cookieconsent.min.css">
<script src="{FILES}cookieconsent/build/cookieconsent.min.js"></script>
<script>
const tags = () => document.querySelectorAll('[data-held]').forEach(held => {{
  const script = document.createElement('script');
  if (held.dataset.src) script.src = held.dataset.src; else script.textContent = held.textContent;
  held.replaceWith(script);
}});
window.addEventListener('load', () => cookieconsent.initialise({{
  type: 'opt-in', theme: 'classic', palette: {{ popup: {{ background: '#fff' }}, button: {{ background: '#1d3557' }} }},
  content: {{ message: '{TEXT}', allow: 'Accept all', deny: 'Reject all', link: 'Choose', href: '/privacy' }},
  onStatusChange(status) {{ if (this.hasConsented()) tags(); }}
}}));
</script>
""",
    f'<script type="text/plain" data-held data-src="{_LOADER}"></script>\n'
    f'<script type="text/plain" data-held>{_CALLS}</script>\n',
    ".cc-window",
    ".cc-window .cc-allow",
    (".cc-window .cc-deny",),
)

#: https://github.com/klaro-org/klaro-js#readme, with its configuration in the page instead of an additional file.
KLARO = Setup(
    "klaro",
    "klaro",
    f"""<script>
var klaroConfig = {{
  version: 1, acceptAll: true, lang: 'en', privacyPolicy: '/privacy',
  translations: {{ en: {{ consentNotice: {{ description: '{TEXT}' }}, purposes: {{ analytics: 'Statistics' }} }} }},
  services: [{{ name: 'google-analytics', title: 'Google Analytics', purposes: ['analytics'], cookies: [/^_ga/] }}]
}};
</script>
<script defer data-config="klaroConfig" src="{FILES}klaro/dist/klaro.js"></script>
""",
    '<script type="text/plain" data-type="text/javascript" data-name="google-analytics" '
    f'data-src="{_LOADER}"></script>\n'
    f'<script type="text/plain" data-type="text/javascript" data-name="google-analytics">{_CALLS}</script>\n',
    ".klaro .cookie-notice",
    ".klaro .cookie-notice .cm-btn-success",
    (".klaro .cookie-notice .cn-decline",),
    (
        ".klaro .cookie-notice .cn-learn-more",
        ".klaro .cookie-modal label[for=purpose-item-analytics]",
        ".klaro .cookie-modal .cm-btn-accept",
    ),
)

#: https://github.com/AmauriC/tarteaucitron.js#readme, with its smaller files.
TARTEAUCITRON = Setup(
    "tarteaucitron",
    "tarteaucitronjs",
    f"""<script src="{FILES}tarteaucitronjs/tarteaucitron.min.js"></script>
<script>
tarteaucitron.init({{
  privacyUrl: '/privacy', bodyPosition: 'top', hashtag: '#tarteaucitron', cookieName: 'tarteaucitron',
  orientation: 'bottom', groupServices: false, showDetailsOnClick: true, serviceDefaultState: 'wait',
  showAlertSmall: false, cookieslist: false, showIcon: true, iconPosition: 'BottomRight', adblocker: false,
  DenyAllCta: true, AcceptAllCta: true, highPrivacy: true, handleBrowserDNTRequest: false, removeCredit: false,
  moreInfoLink: true, useExternalCss: false, useExternalJs: false, mandatory: true, mandatoryCta: true,
  googleConsentMode: true
}});
tarteaucitron.user.gtagUa = 'G-BENCH';
(tarteaucitron.job = tarteaucitron.job || []).push('gtag');
</script>
""",
    "",
    "#tarteaucitronAlertBig",
    "#tarteaucitronPersonalize2",
    ("#tarteaucitronAllDenied2",),
    ("#tarteaucitronCloseAlert", "#gtagAllowed", "#tarteaucitronClosePanel"),
)

#: https://c15t.com/docs/frameworks/react/quickstart; the tag is in its configuration (:mod:`benchmarks.c15t_bundle`).
C15T = Setup(
    "c15t with React",
    "@c15t/react",
    f"""<link rel="stylesheet" href="{BUNDLE}client.css">
<script type="module" src="{BUNDLE}client.js"></script>
""",
    "",
    "[data-testid=consent-banner-card]",
    "[data-testid=consent-banner-accept-button]",
    ("[data-testid=consent-banner-reject-button]",),
    (
        "[data-testid=consent-banner-customize-button]",
        "[data-testid=consent-widget-switch-measurement]",
        "[data-testid=consent-widget-footer-save-button]",
    ),
)

OTHERS = (ORESTBIDA, OSANO, KLARO, C15T, TARTEAUCITRON)
SETUPS = {"/bare": BARE, "/ours": OURS} | {f"/{setup.package.strip('@')}": setup for setup in OTHERS}
PATHS = {setup.name: path for path, setup in SETUPS.items()}


def page(setup: Setup) -> bytes:
    """Return the page, 20 KB of text with its own style sheet, with one of the tools in it."""
    chance = random.Random(7)

    def words(count: int) -> str:
        return " ".join(chance.choices(WORDS, k=count)).capitalize()

    parts = [f"<h2>{words(4)}</h2><p>{words(45)}.</p><p><a href='/bare'>{words(3)}</a></p>" for _ in range(50)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Shop</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">\n'
        f"<style>{CSS}</style>\n{setup.head}{setup.tag}</head>\n<body><header><h1>Shop</h1></header><main>"
        + "\n".join(parts)
        + "</main></body></html>\n"
    ).encode()


def make_site() -> WSGIApplication:
    """Return the site; requests for our variant go through consent_mw, all others do not."""
    pages = {path: page(setup) for path, setup in SETUPS.items()}

    def site(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path in pages:
            start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-cache")])
            return [pages[path]]
        file = None
        if path.startswith(BUNDLE):
            file = c15t_bundle.file(path.removeprefix(BUNDLE))
        elif path.startswith(FILES) and ".." not in path:
            file = npm_packages.find(path.removeprefix(FILES))
        if file is None:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"nothing"]
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        start_response("200 OK", [("Content-Type", kind), ("Cache-Control", "public, max-age=31536000, immutable")])
        return [file.read_bytes()]

    wrapped = ConsentMiddleware(
        site,
        {
            "site": {"name": "Shop", "privacy_policy": "/privacy", "records": os.environ["BENCH_RECORDS"]},
            "services": [{"use": "google-analytics"}],
        },
    )

    def choose(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        ours = environ["PATH_INFO"] == "/ours" or environ["PATH_INFO"].startswith("/_cmw/")
        return (wrapped if ours else site)(environ, start_response)

    return choose
