"""The allowed values of a service's fields: purposes, kinds, safeguards and lawful bases."""

from __future__ import annotations

from consent_mw.core.model import NECESSARY

#: The five built-in purposes; the catalogue uses no others.
PURPOSES = (NECESSARY, "preferences", "analytics", "marketing", "embeds")
SAFEGUARDS = ("", "adequacy", "scc", "dpf", "bcr")
#: Vendors whose tags receive the choice through their own interface.
SIGNALS = ("google", "microsoft", "clarity", "meta")
LAWFUL_BASES = ("consent", "contract", "legal-obligation", "legitimate-interest")
#: The kinds of services, one word each; sentences for visitors in their language are made from them.
KINDS = (
    "ad-server",
    "ad-exchange",
    "ad-network",
    "ad-measurement",
    "ad-verification",
    "retargeting",
    "data-platform",
    "affiliate",
    "attribution",
    "content-recommendation",
    "sponsored-search",
    "web-analytics",
    "product-analytics",
    "audience-measurement",
    "session-replay",
    "ab-testing",
    "performance-monitoring",
    "error-monitoring",
    "tag-manager",
    "customer-data",
    "consent-tool",
    "email-marketing",
    "lead-tracking",
    "personalisation",
    "product-recommendation",
    "push-messages",
    "on-site-messages",
    "call-tracking",
    "chat",
    "reviews",
    "survey",
    "comments",
    "social-share",
    "social-embed",
    "video",
    "audio",
    "maps",
    "documents",
    "forms",
    "booking",
    "events",
    "fonts",
    "library-cdn",
    "media-delivery",
    "captcha",
    "bot-protection",
    "fraud-prevention",
    "payment",
    "search",
    "login",
    "accessibility",
    "translation",
    "widget",
)
