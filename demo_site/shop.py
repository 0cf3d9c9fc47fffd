"""
Portrait Shop: a small shop for photo software, with the same tags as real shops.

``create_app`` returns the shop as its owner wrote it, with all tags active. ``create_held_app`` returns the same shop
wrapped in consent_mw, which takes one line.
"""

from __future__ import annotations

import secrets
import tomllib
from contextlib import redirect_stderr
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from flask import Flask
from flask import abort
from flask import redirect
from flask import render_template
from flask import request
from flask import session
from flask import url_for
from werkzeug.wrappers import Response

from demo_site.products import PRODUCTS
from demo_site.products import Product
from demo_site.vendors import address

HERE = Path(__file__).parent
CONFIG = HERE / "consent.toml"
MOST_OF_ONE = 9


def create_app(farm_port: int) -> Flask:
    """Return the shop without consent_mw; its tags load from the farm on ``farm_port``."""
    app = Flask("demo_site.shop", template_folder=str(HERE / "templates" / "shop"), static_folder=str(HERE / "static"))
    app.config.update(SECRET_KEY=secrets.token_bytes(32), SESSION_COOKIE_NAME="portrait_shop")
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}

    @app.context_processor
    def everywhere() -> dict[str, object]:
        return {
            "at": lambda host: address(host, farm_port),
            "farm": address("farm", farm_port) + "/",
            "basket_count": sum(_basket().values()),
            "products": PRODUCTS,
        }

    @app.get("/")
    def home() -> str:
        return render_template("home.html")

    @app.get("/software/<slug>")
    def product(slug: str) -> str:
        return render_template("product.html", product=PRODUCTS.get(slug) or abort(404))

    @app.get("/basket")
    def basket() -> str:
        return render_template("basket.html", lines=_lines(), total=_total())

    @app.post("/basket")
    def change_basket() -> Response:
        slug = request.form.get("slug", "")
        if slug not in PRODUCTS:
            abort(404)
        wanted = request.form.get("quantity", type=int)
        quantity = _basket().get(slug, 0) + 1 if wanted is None else wanted
        session["basket"] = {**_basket(), slug: max(0, min(quantity, MOST_OF_ONE))}
        return redirect(url_for("basket"), 303)

    @app.get("/checkout")
    def checkout() -> Response | str:
        if not _lines():
            return redirect(url_for("basket"), 303)
        return render_template("checkout.html", lines=_lines(), total=_total())

    @app.post("/checkout")
    def order() -> Response:
        if not _lines():
            return redirect(url_for("basket"), 303)
        session["order"] = {"number": f"PS-{secrets.randbelow(90000) + 10000}", "total": _total()}
        session.pop("basket", None)
        return redirect(url_for("thanks"), 303)

    @app.get("/thanks")
    def thanks() -> Response | str:
        if "order" not in session:
            return redirect(url_for("home"), 303)
        return render_template("thanks.html", order=session["order"])

    @app.get("/journal/one-lamp-five-faces")
    def journal() -> str:
        return render_template("journal.html")

    @app.get("/privacy")
    def privacy() -> str:
        return render_template("privacy.html")

    @app.errorhandler(404)
    def missing(_error: Exception) -> tuple[str, int]:
        return render_template("missing.html"), 404

    return app


def settings(records: Path) -> dict[str, object]:
    """
    Return the settings from ``consent.toml``, with records in the given folder and public consent rates.

    Args:
        records: An existing folder for the consent records and the signing key.
    """
    found = tomllib.loads(CONFIG.read_text("utf-8"))
    found["site"]["records"] = f"sqlite:///{records / 'consent.db'}"
    # The demo listens only on this machine, and its figures are synthetic. A real shop restricts access.
    found["stats"] = {"check": lambda environ: True}
    return found


def create_held_app(farm_port: int, records: Path) -> Flask:
    """
    Return the shop wrapped in consent_mw, with the settings from ``consent.toml``.

    Args:
        farm_port: The port of the farm.
        records: As for :func:`settings`.
    """
    from consent_mw import ConsentMiddleware  # imported here, so that the bare shop does not depend on it

    app = create_app(farm_port)
    held = ConsentMiddleware(app.wsgi_app, settings(records))
    app.wsgi_app = held  # type: ignore[method-assign]
    app.extensions["consent_mw"] = held
    return app


def make_visits(records: Path, days: int) -> bool:
    """Fill empty records with synthetic visits, as ``consent-mw demo-data`` does; return whether they were empty."""
    from consent_mw import config
    from consent_mw.cli import Owner
    from consent_mw.cli import main

    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        return main(["demo-data", "--days", str(days)], owner=Owner(site=config.load(settings(records)))) == 0


def _basket() -> dict[str, int]:
    return {slug: count for slug, count in session.get("basket", {}).items() if slug in PRODUCTS}


def _lines() -> list[tuple[Product, int]]:
    return [(PRODUCTS[slug], count) for slug, count in _basket().items() if count]


def _total() -> int:
    return sum(product.price * count for product, count in _lines())
