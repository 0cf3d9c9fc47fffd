"""
Answers the notices of other tools with autoconsent (https://github.com/duckduckgo/autoconsent), where the owner has it.

Its package, ``@duckduckgo/autoconsent``, knows how some hundreds of tools are refused and accepted, even where the
refusal is behind a second page of the notice. It is not a part of consent_mw and is never downloaded: the owner names
its folder.

Its content script is put into the frames of a page that is open already. It detects a notice, waits to be told, and
then answers it. What it wants to evaluate in the page goes through the browser's protocol, which no
Content-Security-Policy of the page stops. https://github.com/duckduckgo/autoconsent/blob/main/docs/api.md has its
messages.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from consent_mw.errors import ConsentError

if TYPE_CHECKING:
    from playwright.async_api import Frame
    from playwright.async_api import Page

__all__ = ["Autoconsent", "FoundNotice", "NoAutoconsent"]

_SCRIPT, _RULES = "dist/autoconsent.playwright.js", "rules/rules.json"
#: Seconds for finding a notice, and for answering it.
_FINDING, _ANSWERING = 5.0, 15.0
#: Seconds between two looks at its messages.
_LOOK = 0.05
_MOST_FRAMES = 20
#: Detects twice, half a second apart; never acts by itself, and hides nothing before it is told to act.
_CONFIG: dict[str, Any] = {
    "enabled": True,
    "autoAction": None,
    "disabledCmps": [],
    "enablePrehide": False,
    "enableCosmeticRules": False,
    "enableGeneratedRules": True,
    "detectRetries": 1,
    "isMainWorld": False,
    "prehideTimeout": 2000,
    "enableHeuristicDetection": True,
    "heuristicMode": "reject",
    "heuristicPopupSearchTimeout": 2000,
}
#: Collects what the script says.
_BEGIN = """(() => {
  const said = window.cmwSaid = [];
  window.autoconsentSendMessage = async message => { said.push(JSON.parse(JSON.stringify(message))); };
})()"""
_SAID = "() => (window.cmwSaid || []).splice(0)"


class NoAutoconsent(ConsentError):
    """The package is not in the folder; the message says what to install."""


@dataclass(frozen=True)
class FoundNotice:
    """
    A notice that autoconsent has found.

    Args:
        tool: Its name in autoconsent, such as ``Klaro``.
        frame: The frame that it is in.
    """

    tool: str
    frame: Frame


class Autoconsent:
    """
    The package in a folder.

    Raises:
        NoAutoconsent: it is not there.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._script = (folder / _SCRIPT).read_text(encoding="utf-8")
            self._rules: list[Any] = json.loads((folder / _RULES).read_text(encoding="utf-8"))["autoconsent"]
        except (OSError, ValueError, KeyError, TypeError):
            raise NoAutoconsent(
                f"{folder} does not hold the package @duckduckgo/autoconsent ({_SCRIPT} and {_RULES}): "
                "npm install @duckduckgo/autoconsent, and name its folder."
            ) from None

    async def find(self, page: Page) -> FoundNotice | None:
        """Return the notice that a page shows, or None."""
        frames = [frame for frame in page.frames[:_MOST_FRAMES] if frame.url.startswith("http")]
        found = await asyncio.gather(*(self._find_in(frame) for frame in frames))
        return next((one for one in found if one is not None), None)

    async def answer(self, notice: FoundNotice, *, accept: bool) -> str:
        """Accept or refuse; return why it failed, or an empty string."""
        does = "accept" if accept else "refuse"
        result = "optInResult" if accept else "optOutResult"
        # A tool that reloads the page ends the script: then it has answered.
        answered: dict[str, Any] = {"result": True}
        from playwright.async_api import Error

        with suppress(Error):
            await _send(notice.frame, {"type": "optIn" if accept else "optOut"})
            answered = await _heard(notice.frame, (result,), _ANSWERING) or {"result": False}
            if answered["result"] and answered.get("scheduleSelfTest"):
                await _send(notice.frame, {"type": "selfTest"})
                tested = await _heard(notice.frame, ("selfTestResult",), _FINDING)
                if tested is not None and not tested["result"]:
                    return f"autoconsent's own test says that {notice.tool} did not keep the answer"
        return "" if answered["result"] else f"autoconsent could not {does} in {notice.tool}"

    async def _find_in(self, frame: Frame) -> FoundNotice | None:
        from playwright.async_api import Error

        with suppress(Error):  # the frame is gone, or does not let itself be read
            await frame.evaluate(_BEGIN)
            await frame.evaluate(f"() => {{ {self._script} }}")
            await _send(frame, {"type": "initResp", "config": _CONFIG, "rules": {"autoconsent": self._rules}})
            found = await _heard(frame, ("popupFound",), _FINDING, ends=("nothingDetected",))
            if found is not None:
                return FoundNotice(str(found["cmp"]), frame)
        return None


async def _send(frame: Frame, message: dict[str, Any]) -> None:
    await frame.evaluate(f"window.autoconsentReceiveMessage({json.dumps(message)}), 0")


async def _heard(
    frame: Frame, wanted: Iterable[str], seconds: float, ends: Iterable[str] = ()
) -> dict[str, Any] | None:
    """Return the first message of these kinds; None if none comes, or the script's state is one of ``ends``."""
    from playwright.async_api import Error

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for message in await frame.evaluate(_SAID):
            kind = message.get("type")
            if kind == "eval":
                result = None
                with suppress(Error):  # an expression that fails says no
                    result = await frame.evaluate(str(message["code"]).strip().rstrip(";"))
                await _send(frame, {"type": "evalResp", "id": message["id"], "result": result})
            elif kind in wanted:
                found: dict[str, Any] = message
                return found
            elif kind == "report" and message["state"]["lifecycle"] in ends:
                return None
        await asyncio.sleep(_LOOK)
    return None
