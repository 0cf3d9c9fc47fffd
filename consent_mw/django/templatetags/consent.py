"""
``{% load consent %}``: template tags for content that depends on the visitor's choice.

``{% consent "youtube" %} … {% else %} … {% endconsent %}`` shows its first part only if the service or purpose is
allowed for this visitor. ``{% consent_banner %}`` places the banner there, instead of first in the body. ``{%
consent_policy level=3 %}`` inserts the declaration of cookies.
"""

from __future__ import annotations

from django import template
from django.template.base import FilterExpression
from django.template.base import NodeList
from django.template.base import Parser
from django.template.base import Token
from django.template.context import Context
from django.utils.safestring import mark_safe
from django.utils.translation import get_language

from consent_mw.django.setup import engine
from consent_mw.wsgi import consent_banner as place_of
from consent_mw.wsgi import current

register = template.Library()


class ConsentNode(template.Node):
    """The two parts of a consent tag."""

    child_nodelists = ("allowed", "otherwise")

    def __init__(self, name: FilterExpression, allowed: NodeList, otherwise: NodeList) -> None:
        self.name = name
        self.allowed = allowed
        self.otherwise = otherwise

    def render(self, context: Context) -> str:
        """Return the part for this visitor; without a request nothing is allowed."""
        request = context.get("request")
        name = str(self.name.resolve(context))
        decision = None if request is None else current(request.META)
        part = self.allowed if decision is not None and decision.allows(name) else self.otherwise
        rendered: str = part.render(context)
        return rendered


@register.tag("consent")
def consent(parser: Parser, token: Token) -> ConsentNode:
    """Parse ``{% consent NAME %} … {% else %} … {% endconsent %}``."""
    words = token.split_contents()
    if len(words) != 2:
        raise template.TemplateSyntaxError(f'{words[0]} takes one service or purpose: {{% consent "youtube" %}}')
    name = parser.compile_filter(words[1])
    allowed = parser.parse(("else", "endconsent"))
    otherwise = NodeList()
    if parser.next_token().contents == "else":
        otherwise = parser.parse(("endconsent",))
        parser.delete_first_token()
    return ConsentNode(name, allowed, otherwise)


@register.simple_tag(takes_context=True)
def consent_banner(context: Context) -> str:
    """Return the marker for the banner's place; empty without a request."""
    request = context.get("request")
    return mark_safe(place_of(request.META)) if request is not None else ""  # noqa: S308 -- markup of our own


@register.simple_tag(takes_context=True)
def consent_policy(context: Context, lang: str = "", level: int = 2) -> str:
    """Return the declaration of cookies for a page of the project, in the active language."""
    request = context.get("request")
    text = engine().policy_html(
        lang or get_language() or "",
        level=level,
        script_name=request.META.get("SCRIPT_NAME", "") if request is not None else "",
        back=request.get_full_path() if request is not None else "",
    )
    safe: str = mark_safe(text)  # noqa: S308 -- markup of our own
    return safe
