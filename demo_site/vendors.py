"""The vendors whose tags the shop uses, and the local addresses that replace their hosts."""

from __future__ import annotations

from dataclasses import dataclass

#: Browsers resolve every name with this suffix to their own machine.
STAND_IN = ".localhost"


@dataclass(frozen=True, slots=True)
class Vendor:
    """
    A vendor that the farm plays.

    Args:
        id: Its id in addresses and tests.
        name: Its displayed name.
        role: What it does for the shop, in a few words.
        hosts: ``host`` or ``host/path?query-prefix``; the longest match wins.
        necessary: Whether it runs without consent.
    """

    id: str
    name: str
    role: str
    hosts: tuple[str, ...]
    necessary: bool = False


VENDORS = (
    Vendor(
        "google-analytics",
        "Google Analytics",
        "counts visits",
        ("www.google-analytics.com", "www.googletagmanager.com/gtag/js?id=G-"),
    ),
    Vendor(
        "google-tag-manager",
        "Google Tag Manager",
        "loads more tags",
        ("www.googletagmanager.com",),
    ),
    Vendor(
        "google-ads",
        "Google Ads",
        "follows ad clicks",
        (
            "www.googletagmanager.com/gtag/js?id=AW-",
            "www.googleadservices.com",
            "googleads.g.doubleclick.net",
        ),
    ),
    Vendor(
        "meta-pixel",
        "Meta Pixel",
        "builds ad audiences",
        ("connect.facebook.net", "www.facebook.com"),
    ),
    Vendor(
        "youtube",
        "YouTube",
        "plays the video in the journal",
        ("www.youtube.com", "i.ytimg.com"),
    ),
    Vendor(
        "unknown",
        "Unknown pixel",
        "nobody declared it: it is held as a suspect until somebody accepts all",
        ("px.nobody-knows.example",),
    ),
    Vendor(
        "stripe",
        "Stripe",
        "takes the payment, so it is necessary",
        ("js.stripe.com", "api.stripe.com"),
        necessary=True,
    ),
)


def address(host: str, farm_port: int) -> str:
    """Return the local origin for the vendor host ``host``, without a trailing slash."""
    return f"http://{host}{STAND_IN}:{farm_port}"


def played_host(host_header: str) -> str:
    """Return the vendor host for a Host header, or "" for the farm itself."""
    name = host_header.rsplit(":", 1)[0].lower()
    if not name.endswith(STAND_IN):
        return ""
    vendor_host = name.removesuffix(STAND_IN)
    return "" if vendor_host == "farm" else vendor_host


def vendor_of(host: str, path_and_query: str) -> Vendor | None:
    """Return the vendor for a request to ``host``, or None if no entry matches."""
    best: tuple[int, Vendor] | None = None
    for vendor in VENDORS:
        for rule in vendor.hosts:
            rule_host, slash, prefix = rule.partition("/")
            if rule_host == host and path_and_query.startswith(slash + prefix) and (not best or len(rule) > best[0]):
                best = (len(rule), vendor)
    return best[1] if best else None
