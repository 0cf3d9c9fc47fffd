"""
The notice of c15t as two files. It is a component of React, so a page needs a bundle with both.

The bundle is made as c15t's documentation says, with the consent kept in the browser ("offline"), and by esbuild. That
takes some seconds, so it stays in the folder ``build``, under the versions of the packages.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests import npm_packages

PACKAGES = ("@c15t/react", "react", "react-dom", "esbuild-wasm")
_BUILD = Path(__file__).resolve().parents[1] / "build" / "c15t"
_TIMEOUT = 600

#: The texts are those of the other notices.
_SOURCE = """import { createElement as h } from 'react';
import { createRoot } from 'react-dom/client';
import { ConsentManagerProvider, ConsentBanner, ConsentDialog } from '@c15t/react';
import '@c15t/react/styles.css';

const common = { acceptAll: 'Accept all', rejectAll: 'Reject all', customize: 'Choose', save: 'Save choice' };
const cookieBanner = {
  title: 'Cookies: your choice', description: 'We use cookies and similar technologies for statistics.',
};
const options = {
  mode: 'offline',
  consentCategories: ['necessary', 'measurement'],
  i18n: { locale: 'en', detectBrowserLanguage: false, messages: { en: { common, cookieBanner } } },
  scripts: [{ id: 'gtag', src: 'https://www.googletagmanager.com/gtag/js?id=G-BENCH', category: 'measurement' }],
};
const place = document.body.appendChild(document.createElement('div'));
createRoot(place).render(h(ConsentManagerProvider, { options }, h(ConsentBanner), h(ConsentDialog)));
"""


def folder() -> Path:
    """Return the folder with ``client.js`` and ``client.css``; they are made if they are not there."""
    made = _BUILD / "-".join(npm_packages.version(one) for one in PACKAGES)
    if not (made / "client.css").is_file():
        made.mkdir(parents=True, exist_ok=True)
        source = made / "client.mjs"
        source.write_text(_SOURCE, encoding="utf-8")
        tool = npm_packages.file("esbuild-wasm/bin/esbuild")
        options = ("--bundle", "--minify", "--format=esm", '--define:process.env.NODE_ENV="production"')
        subprocess.run(
            ["node", tool, source, *options, f"--outdir={made}", "--out-extension:.js=.js", "--log-level=error"],
            check=True,
            timeout=_TIMEOUT,
            env={**os.environ, "NODE_PATH": str(npm_packages.FOLDER)},
        )
    return made


def file(name: str) -> Path | None:
    """Return one of the two files, or None."""
    return folder() / name if name in ("client.js", "client.css") else None
