"""
Real browsers behind a proxy that records every request and connection that a page causes.

The parts, from the bottom up: ``answers`` (responses of foreign hosts), ``proxy`` (lanes: one port and one log per
visit), ``chromium``, ``firefox`` and ``webkit`` (the browsers, with the common interface of ``engines``), ``site``
(first-party sites to visit), ``snippets`` and ``traps`` (the cases).

Debian 12 packages, all from the main archive::

    chromium                 /usr/bin/chromium, driven through PyPI's playwright (its own browsers are not needed)
    firefox-esr              /usr/bin/firefox-esr, driven over its Marionette port by marionette.py
    webkit2gtk-driver        /usr/bin/WebKitWebDriver; pulls in libwebkit2gtk-4.1-0 with MiniBrowser
    xvfb                     /usr/bin/Xvfb, the screen for MiniBrowser; started and stopped by webkit.py

    apt-get install -y --no-install-recommends chromium firefox-esr webkit2gtk-driver xvfb

PyPI packages: ``playwright`` and ``trustme``.

Environment: ``CONSENT_MW_CHROMIUM``, ``CONSENT_MW_FIREFOX``, ``CONSENT_MW_WEBKITDRIVER`` and
``CONSENT_MW_MINIBROWSER`` name other executables; with ``CI=true`` a missing browser is a failure, not a skip.

Flags: chromium.py, firefox.py and webkit.py list the flags of each browser, with the reasons.
"""
