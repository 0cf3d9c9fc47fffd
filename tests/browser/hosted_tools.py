"""
Consent tools that nobody can install: their published snippets, a marked tag, and a stand-in for their own script.

Their scripts come from their hosts alone, so no test runs them. Their documentation says how the snippet, the buttons
and the cookies look. The stand-in has these buttons, and writes these cookies when one is pressed; it shows that a page
with the snippet is recognised and that a cookie of this form is honoured, not what the hosted script does else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

GTAG = "https://www.googletagmanager.com/gtag/js?id=G-AAAAA1"


class Hosted(NamedTuple):
    """
    A hosted tool.

    Args:
        snippet: What a site pastes into its pages.
        tag: A tag of Google Analytics as the tool wants it marked.
        buttons: The buttons of its notice, the one that accepts first.
        cookies: The cookies that it writes, as a JavaScript expression of ``yes``: a list of names with values.
        call: Makes its documented call that refuses out of ``no``, as a JavaScript statement.
    """

    snippet: str
    tag: str
    buttons: tuple[str, str]
    cookies: str
    call: str

    @property
    def page(self) -> str:
        """A page with the snippet, the tag and the stand-in."""
        yes, no = self.buttons
        stand_in = f"""const answer = yes => {{
            const words = yes ? 'true' : 'false';
            for (const [name, value] of {self.cookies})
              document.cookie = `${{name}}=${{value}}; path=/; max-age=9999999`;
          }};
          const no = () => answer(false);
          {self.call};
          for (const [place, button] of document.querySelectorAll('#stand-in button').entries())
            button.onclick = () => answer(place === 0)"""
        return (
            f"<!doctype html><title>x</title>{self.snippet}{self.tag}<body><h1>x</h1>"
            f"<div id=stand-in>{yes}{no}</div><script>{stand_in}</script>"
        )


def _button(name: str, value: str, text: str) -> str:
    return f'<button type="button" {name}="{value}">{text}</button>'


HOSTED: Mapping[str, Hosted] = {
    # https://www.cookiebot.com/en/developer/
    "cookiebot": Hosted(
        '<script id="Cookiebot" src="https://consent.cookiebot.com/uc.js"'
        ' data-cbid="00000000-0000-0000-0000-000000000000" data-blockingmode="manual" async></script>',
        f'<script type="text/plain" data-cookieconsent="statistics" src="{GTAG}"></script>',
        (
            _button("id", "CybotCookiebotDialogBodyLevelButtonLevelOptinAllowAll", "Allow all"),
            _button("id", "CybotCookiebotDialogBodyButtonDecline", "Deny"),
        ),
        "[['CookieConsent', encodeURI(`{stamp:'ab==',necessary:true,preferences:${words},statistics:${words},`"
        " + `marketing:${words},method:'explicit',ver:1,utc:${Date.now()},region:'de'}`)]]",
        "window.Cookiebot = { withdraw: no }",
    ),
    # https://developer.onetrust.com/onetrust/docs/onetrust-cookies
    "onetrust": Hosted(
        '<script src="https://cdn.cookielaw.org/scripttemplates/otSDKStub.js"'
        ' data-domain-script="00000000-0000-0000-0000-000000000000"></script>'
        "<script>function OptanonWrapper() {}</script>",
        f'<script type="text/plain" class="optanon-category-C0002" src="{GTAG}"></script>',
        (
            _button("id", "onetrust-accept-btn-handler", "Accept All Cookies"),
            _button("id", "onetrust-reject-all-handler", "Reject All"),
        ),
        "[['OptanonAlertBoxClosed', new Date().toISOString()], ['OptanonConsent', 'isGpcEnabled=0&version=202401.1.0'"
        " + '&groups=' + encodeURIComponent(`C0001:1,C0002:${+yes},C0003:${+yes},C0004:${+yes}`)]]",
        "window.OneTrust = { RejectAll: no }",
    ),
    # https://www.cookieyes.com/documentation/
    "cookieyes": Hosted(
        '<script id="cookieyes" src="https://cdn-cookieyes.com/client_data/0123456789abcdef/script.js"></script>',
        f'<script type="text/plain" data-cookieyes="cookieyes-analytics" src="{GTAG}"></script>',
        (
            _button("class", "cky-btn cky-btn-accept", "Accept All"),
            _button("class", "cky-btn cky-btn-reject", "Reject All"),
        ),
        "[['cookieyes-consent', ['consentid:x', `consent:${yes ? 'yes' : 'no'}`, 'action:yes', 'necessary:yes',"
        " ...['functional', 'analytics', 'performance', 'advertisement'].map(one => `${one}:${yes ? 'yes' : 'no'}`)]"
        ".join(',')]]",
        "window.performBannerAction = what => what === 'reject' && no()",
    ),
    # https://complianz.io/docs/; the plugin writes its notice and its marks into WordPress's pages.
    "complianz": Hosted(
        '<script id="cmplz-cookiebanner-js" src="/wp-content/plugins/complianz-gdpr/cookiebanner/js/complianz.min.js">'
        "</script>",
        f'<script type="text/plain" data-service="google-analytics" data-category="statistics" src="{GTAG}"></script>',
        (
            _button("class", "cmplz-btn cmplz-accept", "Accept"),
            _button("class", "cmplz-btn cmplz-deny", "Deny"),
        ),
        "[['cmplz_banner-status', 'dismissed'], ...['functional', 'preferences', 'statistics', 'marketing'].map("
        "one => [`cmplz_${one}`, yes || one === 'functional' ? 'allow' : 'deny'])]",
        "window.cmplz_deny_all = no",
    ),
}
#: Usercentrics keeps choices where no server can read them: its pages are recognised, and its visitors asked again.
USERCENTRICS = (
    "<!doctype html><title>x</title>"
    '<script id="usercentrics-cmp" src="https://web.cmp.usercentrics.eu/ui/loader.js" data-settings-id="AAAA" async>'
    f'</script><script type="text/plain" data-usercentrics="Google Analytics" src="{GTAG}"></script><h1>x</h1>'
)
