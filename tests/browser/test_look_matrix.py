"""The notice in a sample of all its looks: nothing is covered, cut off, or outside the window."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tools import notice_pictures


def test_a_sample_of_every_look_has_nothing_wrong(chromium: Browser) -> None:
    """The sample covers all pairs of layout, scheme, window, language, state and number of services."""
    page = chromium.new_page()
    wrong = {look.name: found for look in notice_pictures.sample() if (found := notice_pictures.show(page, look))}
    page.close()
    assert wrong == {}


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (".cmw-actions { translate: 0 60px }", "button outside"),
        (".cmw-form::after { content: ''; position: absolute; inset: 0 }", "button covered"),
        (".cmw-text { margin-top: -2em }", "overlap"),
        (".cmw-title { width: 3em; white-space: nowrap; overflow: hidden }", "cut"),
        ("[value=accept-all] { flex-grow: 3 }", "unequal choices"),
        (".cmw-banner { margin-inline-start: -40px }", "notice outside"),
        (".cmw-btn { min-height: 30px; padding: 0 }", "button low"),
        (".cmw-form { padding-top: 0 }", "no room above"),
    ],
)
def test_what_is_wrong_is_found(chromium: Browser, harm: str, told: str) -> None:
    """Each kind of damage to the notice is found, so the sample above could fail."""
    page = chromium.new_page()
    look = notice_pictures.MatrixLook("bar", "light", (390, 844), "en", "closed", "few")
    assert notice_pictures.show(page, look) == []
    hard = harm.replace(" }", " !important }").replace(";", " !important;")
    # After the notice's sheet in the page, in the same layer.
    style = "rule => document.body.append(Object.assign(document.createElement('style'), { textContent: rule }))"
    page.evaluate(style, f"@layer cmw {{ {hard} }}")
    found = page.evaluate(notice_pictures.PROBLEMS)
    page.close()
    assert [one for one in found if one.startswith(told)]
