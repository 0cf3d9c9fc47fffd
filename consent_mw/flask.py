"""
The Flask extension: ``Consent(app)`` or ``Consent().init_app(app)``.

It wraps ``app.wsgi_app`` and provides ``g.consent`` in views and ``consent`` in templates: ``{% if
consent.allows("analytics") %}``. ``{{ consent_banner() }}`` places the banner there, instead of first in the body. ``{{
consent_policy("de", level=3) }}`` inserts the declaration of cookies.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING
from typing import NoReturn

from consent_mw.http.asked import AskedDecision
from consent_mw.jobs import ConsentJobs
from consent_mw.wsgi import ConsentMiddleware
from consent_mw.wsgi import asking
from consent_mw.wsgi import consent_banner

if TYPE_CHECKING:
    from flask import Flask
    from markupsafe import Markup

    from consent_mw.core.model import Site
    from consent_mw.engine import Engine


#: The key of the jobs in ``app.extensions``.
_JOBS = "consent_mw.jobs"


class Consent:
    """
    Wrap a Flask application.

    Args:
        app: The application, or None to call :meth:`init_app` later.
        config: As for :class:`ConsentMiddleware`; None for the app's own ``CONSENT`` setting.

    Raises:
        ConfigError: with every mistake in ``config``.
    """

    def __init__(
        self,
        app: Flask | None = None,
        config: None | str | os.PathLike[str] | Mapping[str, object] | Site = None,
    ) -> None:
        self._config = config
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Wrap ``app``. Call this after other extensions that wrap ``app.wsgi_app``, so that it is outside of them."""
        from consent_mw.engine.wrapping import check_flask

        check_flask(app)
        if "consent_mw" in app.extensions:
            raise RuntimeError("this Flask application is wrapped by consent_mw already: call init_app once")
        middleware = ConsentMiddleware(app.wsgi_app, self._config_of(app))
        app.wsgi_app = middleware  # type: ignore[method-assign]
        app.extensions["consent_mw"] = self
        app.before_request(_remember)
        app.context_processor(_template_names)
        app.jinja_env.globals.setdefault("consent_banner", _banner)
        app.jinja_env.globals.setdefault("consent_policy", partial(_policy, middleware.engine))

    def __call__(self, *given: object) -> NoReturn:
        """Refuse to be used as an application, a hook or a decorator; raises a ConfigError."""
        from consent_mw.engine.wrapping import called_extension

        raise called_extension()

    def jobs(self, app: Flask | None = None) -> ConsentJobs:
        """
        Return what freezes, thaws and finds decisions for background jobs, with the configuration of the application.

        Args:
            app: The application, or None inside its context.
        """
        from flask import current_app

        extensions = (app or current_app).extensions
        if _JOBS not in extensions:
            extensions[_JOBS] = ConsentJobs(self._config_of(app or current_app))
        found: ConsentJobs = extensions[_JOBS]
        return found

    def _config_of(self, app: Flask) -> None | str | os.PathLike[str] | Mapping[str, object] | Site:
        found: None | str | os.PathLike[str] | Mapping[str, object] | Site = app.config.get("CONSENT")
        return found if self._config is None else self._config


def _remember() -> None:
    from flask import g
    from flask import request

    g.consent = AskedDecision(asking(request.environ))


def _template_names() -> dict[str, AskedDecision]:
    from flask import has_request_context
    from flask import request

    return {"consent": AskedDecision(asking(request.environ))} if has_request_context() else {}


def _banner() -> Markup:
    """Return the marker for the banner's place; empty without a request."""
    from flask import has_request_context
    from flask import request
    from markupsafe import Markup

    return Markup(consent_banner(request.environ) if has_request_context() else "")  # noqa: S704 -- markup of our own


def _policy(engine: Engine, lang: str = "", *, level: int = 2) -> Markup:
    """Return the declaration of cookies for a page of the application."""
    from flask import has_request_context
    from flask import request
    from markupsafe import Markup

    root, back = (request.script_root, request.full_path.rstrip("?")) if has_request_context() else ("", "")
    text = engine.policy_html(lang, level=level, script_name=root, back=root + back)
    return Markup(text)  # noqa: S704 -- markup of our own
