"""The expectations of a field case after a step: each function returns the problems, or an empty list."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Error

from tests.field.steps import OFFERS
from tests.field.steps import Stage
from tests.field.visitor import PATIENCE

CONSENT = (Path(__file__).parent / "consent.js").read_text(encoding="utf-8")
MISPLACED = (Path(__file__).parent / "misplaced.js").read_text(encoding="utf-8")
_BANNER = "[data-cmw-banner]:visible"
_WAY_BACK = f"{_BANNER}, [data-cmw-action=open]:visible"
#: Milliseconds between two looks at a page that is not yet as expected.
_LOOK_AGAIN = 100


@dataclass(frozen=True)
class Before:
    """The records and counts when the step began."""

    rows: int
    counts: Mapping[str, int]


def problems(stage: Stage, expect: Mapping[str, Any], before: Before) -> list[str]:
    """
    Return the expectations that are not met; wait for them, since they may take a while.

    Raises:
        ValueError: if an expectation is not known.
    """
    if unknown := set(expect) - set(_EXPECTATIONS):
        raise ValueError(f"expect does not know {sorted(unknown)}; it knows {sorted(_EXPECTATIONS)}")
    left = PATIENCE if stage.visitor is not None else 0
    while True:
        wrong = [text for key, value in expect.items() for text in _judge(stage, key, value, before)]
        if not wrong or left <= 0:
            return wrong
        stage.there.page.wait_for_timeout(_LOOK_AGAIN)
        left -= _LOOK_AGAIN


def _judge(stage: Stage, key: str, value: Any, before: Before) -> list[str]:
    try:
        return _EXPECTATIONS[key](stage, value, before)
    except Error as error:
        return [f"{key} {value!r}: {str(error).partition(chr(10))[0]}"]


def _unless(right: bool, text: str) -> list[str]:
    return [] if right else [text]


def _requests(stage: Stage, value: str | list[str], before: Before) -> list[str]:
    asked = stage.there.asked()
    if value == "none":
        return _unless(not asked, f"no foreign request expected; seen: {asked}")
    missing = [part for part in value if not any(part in url for url in [*asked, *stage.there.own])]
    return _unless(not missing, f"requests expected to {missing}; seen: {asked}")


def _never(stage: Stage, value: list[str], before: Before) -> list[str]:
    seen = [url for url in [*stage.there.asked(), *stage.there.own] if any(part in url for part in value)]
    return _unless(not seen, f"no request expected to any of {value}; seen: {seen}")


def _errors(stage: Stage, value: str, before: Before) -> list[str]:
    return _unless(not stage.there.errors, f"no error expected in the page; seen: {stage.there.errors}")


def _posts(stage: Stage, value: Mapping[str, int], before: Before) -> list[str]:
    seen = {path: stage.there.posts.count(path) for path in value}
    return _unless(seen == value, f"POSTs expected: {value}; seen: {seen}")


def _js(stage: Stage, value: Mapping[str, Any], before: Before) -> list[str]:
    wrong = []
    for expression, wanted in value.items():
        seen = stage.there.page.evaluate(expression)
        wrong += _unless(seen == wanted and type(seen) is type(wanted), f"{expression} is {seen!r}, not {wanted!r}")
    return wrong


def _received(stage: Stage, value: list[str], before: Before) -> list[str]:
    got = stage.there.page.evaluate("window.got ?? []")
    rest = iter(got)
    missing = [wanted for wanted in value if not any(line.startswith(wanted) for line in rest)]
    return _unless(not missing, f"vendors should get, in this order, {value}; they got {got}")


def _not_received(stage: Stage, value: list[str], before: Before) -> list[str]:
    got = [line for line in stage.there.page.evaluate("window.got ?? []") if line.startswith(tuple(value))]
    return _unless(not got, f"vendors should get nothing of {value}; they got {got}")


def _consent(stage: Stage, value: Mapping[str, str], before: Before) -> list[str]:
    seen = {kind: stage.there.page.evaluate(CONSENT, kind) for kind in value}
    return _unless(seen == value, f"consent mode should end with {value}; it ends with {seen}")


def _visible(stage: Stage, value: list[str], before: Before) -> list[str]:
    missing = [one for one in value if not stage.there.page.locator(f"{one} >> visible=true").count()]
    return _unless(not missing, f"{missing} should be visible")


def _hidden(stage: Stage, value: list[str], before: Before) -> list[str]:
    seen = [one for one in value if stage.there.page.locator(f"{one} >> visible=true").count()]
    return _unless(not seen, f"{seen} should not be visible")


def _banner(stage: Stage, value: int, before: Before) -> list[str]:
    seen = stage.there.page.locator(_BANNER).count()
    return _unless(seen == value, f"{value} visible banners expected; seen: {seen}")


def _way_back(stage: Stage, value: bool, before: Before) -> list[str]:
    seen = stage.there.page.locator(_WAY_BACK).count() > 0
    return _unless(seen is value, f"the banner or what opens it again: expected {value}, seen {seen}")


def _answered(stage: Stage, value: bool, before: Before) -> list[str]:
    return _unless(stage.there.answered() is value, f"a choice kept: expected {value}, seen {not value}")


def _offer(stage: Stage, value: str, before: Before) -> list[str]:
    return _unless(
        stage.there.page.evaluate(OFFERS, [value, False]), f"nothing in {value} offers to load what is missing"
    )


def _fits(stage: Stage, value: str, before: Before) -> list[str]:
    return list(stage.there.page.evaluate(MISPLACED, value))


def _text(stage: Stage, value: list[str], before: Before) -> list[str]:
    text = stage.there.page.locator("body").inner_text()
    return _unless(all(one in text for one in value), f"the page should say {value}; it says {text[:200]!r}")


def _frame_text(stage: Stage, value: list[str], before: Before) -> list[str]:
    texts = [frame.evaluate("document.body?.innerText ?? ''") for frame in stage.there.page.frames[1:]]
    return _unless(
        all(any(one in text for text in texts) for one in value), f"frames should say {value}; they say {texts}"
    )


def _url(stage: Stage, value: str, before: Before) -> list[str]:
    seen = stage.there.page.url.removeprefix(stage.site.base)
    return _unless(seen == value, f"the address should be {value}; it is {seen}")


def _ledger(stage: Stage, value: int, before: Before) -> list[str]:
    seen = stage.site.kept()[0] - before.rows
    return _unless(seen == value, f"{value} more rows expected in the ledger; seen: {seen}")


def _counts(stage: Stage, value: Mapping[str, int], before: Before) -> list[str]:
    now = stage.site.kept()[1]
    seen = {key: now.get(key, 0) - before.counts.get(key, 0) for key in value}
    return _unless(seen == value, f"counts expected: {value}; seen: {seen}")


def _log(stage: Stage, value: list[str], before: Before) -> list[str]:
    missing = [part for part in value if not any(part in line for line in stage.site.log.lines)]
    return _unless(not missing, f"lines expected in the log with {missing}; seen: {stage.site.log.lines}")


def _status(stage: Stage, value: int, before: Before) -> list[str]:
    return _unless(stage.response[0] == value, f"status {value} expected; seen: {stage.response[0]}")


def _same_bytes(stage: Stage, value: bool, before: Before) -> list[str]:
    bare = stage.site.bare("GET", stage.path.partition("?")[0])[2]
    same = stage.response[2] == bare
    return _unless(
        same is value, f"the site's own bytes: expected {value}, seen {same} ({len(stage.response[2])} bytes)"
    )


def _contains(stage: Stage, value: list[str], before: Before) -> list[str]:
    missing = [one for one in value if one.encode() not in stage.response[2]]
    return _unless(not missing, f"the response should contain {missing}")


def _lacks(stage: Stage, value: list[str], before: Before) -> list[str]:
    there = [one for one in value if one.encode() in stage.response[2]]
    return _unless(not there, f"the response should not contain {there}")


def _headers(stage: Stage, value: Mapping[str, str], before: Before) -> list[str]:
    wrong = []
    for name, part in value.items():
        seen = ", ".join(text for key, text in stage.response[1] if key.lower() == name.lower())
        right = part.lower() in seen.lower() if part else not seen
        wrong += _unless(right, f"header {name}: expected {part or 'none'!r}, seen {seen!r}")
    return wrong


_EXPECTATIONS: Mapping[str, Callable[[Stage, Any, Before], list[str]]] = {
    "requests": _requests,
    "never": _never,
    "errors": _errors,
    "posts": _posts,
    "js": _js,
    "received": _received,
    "not_received": _not_received,
    "consent": _consent,
    "visible": _visible,
    "hidden": _hidden,
    "banner": _banner,
    "way_back": _way_back,
    "answered": _answered,
    "offer": _offer,
    "fits": _fits,
    "text": _text,
    "frame_text": _frame_text,
    "url": _url,
    "ledger": _ledger,
    "counts": _counts,
    "log": _log,
    "status": _status,
    "same_bytes": _same_bytes,
    "contains": _contains,
    "lacks": _lacks,
    "headers": _headers,
}
