"""
Real browsers behind a proxy of our own: what a page makes a browser ask for, connections included.

The parts, from the bottom: ``answers`` (what a foreign host says), ``proxy``
(lanes: one port and one log per visit), ``chromium`` / ``firefox`` /
``webkit`` (the browsers behind one small interface, ``engines``), ``site``
(first-party sites to visit), ``snippets`` and ``traps`` (the cases).

Debian 12 packages, all from the main archive::

    chromium                 /usr/bin/chromium, driven through PyPI's playwright (its own browsers are not needed)
    firefox-esr              /usr/bin/firefox-esr, driven over its Marionette port by marionette.py
    webkit2gtk-driver        /usr/bin/WebKitWebDriver; pulls in libwebkit2gtk-4.1-0 with MiniBrowser
    xvfb                     /usr/bin/Xvfb, the screen that MiniBrowser needs; started and stopped by webkit.py

    apt-get install -y --no-install-recommends chromium firefox-esr webkit2gtk-driver xvfb

PyPI packages: ``playwright`` and ``trustme``.

Environment: ``CONSENT_MW_CHROMIUM``, ``CONSENT_MW_FIREFOX``,
``CONSENT_MW_WEBKITDRIVER`` and ``CONSENT_MW_MINIBROWSER`` name other
executables; with ``CI=true`` an absent browser is a failure, not a skip.

Flags: chromium.py, firefox.py and webkit.py each hold the list that they
start the browser with, with the reason for each.
"""
