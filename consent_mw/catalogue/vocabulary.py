"""The words that the fields of a service may hold: its purposes, its kind, its safeguard and its lawful basis."""

from __future__ import annotations

from consent_mw.core.model import NECESSARY

#: The five purposes that stand by default (DESIGN section 6): the catalogue uses no other.
PURPOSES = (NECESSARY, "preferences", "analytics", "marketing", "embeds")
SAFEGUARDS = ("", "adequacy", "scc", "dpf", "bcr")
#: Vendors whose tags are told of the choice by an interface of their own.
SIGNALS = ("google", "microsoft", "clarity", "meta")
LAWFUL_BASES = ("consent", "contract", "legal-obligation", "legitimate-interest")
#: What services do, in a word each: the sentence that visitors read is made from it in their language.
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
