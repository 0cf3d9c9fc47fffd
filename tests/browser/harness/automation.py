"""
Tools that answer consent notices for their users, run in a page as their browsers run them.

*autoconsent* is the real content script of its package, loaded before everything else. :func:`autoconsent` adds the
browser's part: it passes rules and settings to the script, evaluates the expressions that the script sends, and starts
the self-test. *Consent-O-Matic* has no package, so :func:`consent_o_matic` is our own driver. It performs the actions
of a rule file one by one, as their documentation describes, and stops at an unknown action.

Both record their results in an object of the page, which :func:`done` and :func:`told` read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests import npm_packages

if TYPE_CHECKING:
    from playwright.sync_api import Page

PACKAGE = "@duckduckgo/autoconsent"
INTEROP = Path(__file__).resolve().parents[3] / "docs" / "interop"

#: One attempt by rules immediately, and one by heuristics half a second later.
_ATTEMPTS = 1

_BROWSER = """(() => {
  const told = window.cmwAutomation = { messages: [], state: {} };
  const rules = RULES, config = CONFIG;
  const answer = message => setTimeout(() => window.autoconsentReceiveMessage(message));
  const evaluate = async code => {
    try { return await (0, eval)(code); } catch (error) { return false; }
  };
  window.autoconsentSendMessage = async message => {
    if (message.type === 'report') Object.assign(told.state, message.state);
    else told.messages.push(message);
    if (message.type === 'init') answer({ type: 'initResp', config, rules: { autoconsent: rules } });
    if (message.type === 'eval') answer({ type: 'evalResp', id: message.id, result: await evaluate(message.code) });
    if (message.type === 'optOutResult' && message.scheduleSelfTest) answer({ type: 'selfTest' });
  };
})();
"""

_DRIVER = """(() => {
  const told = window.cmwAutomation = { messages: [], state: {} };
  const [name, rule] = Object.entries(RULE).find(([key]) => key !== '$schema');
  const wanted = WANTED;
  let base = document;
  const pause = ms => new Promise(done => setTimeout(done, ms));
  const all = ({ selector, displayFilter, ...others }) => {
    if (Object.keys(others).length) throw new Error('a filter that the driver does not know');
    const found = selector === ':scope' ? [base] : [...base.querySelectorAll(selector)];
    return found.filter(node => displayFilter === undefined || (node.offsetHeight !== 0) === displayFilter);
  };
  const one = target => all(target)[0];
  const matches = matcher => {
    const node = one(matcher.target);
    if (matcher.type === 'css') return Boolean(node);
    if (matcher.type === 'checkbox' && node) return node.checked;
    throw new Error('cannot match ' + matcher.type);
  };
  const actions = {
    click: async step => { const node = one(step.target); if (node) { told.messages.push('click'); node.click(); } },
    list: async step => { for (const each of step.actions) await act(each); },
    ifallownone: async step => { await act(Object.values(wanted).some(Boolean) ? step.falseAction : step.trueAction); },
    foreach: async step => {
      for (const node of all(step.target)) { base = node; await act(step.action); base = document; }
    },
    consent: async step => {
      for (const { type, matcher, toggleAction } of step.consents) {
        let on;
        // A box that is not there is passed over.
        try { on = matches(matcher); } catch (error) { continue; }
        if (on !== Boolean(wanted[type])) await act(toggleAction);
      }
    },
    waitcss: async step => {
      for (let left = step.retries || 10; left >= 0 && Boolean(one(step.target)) === Boolean(step.negated); left--) {
        await pause(step.waitTime || 250);
      }
    },
  };
  const act = async step => {
    if (!step) return;
    if (!actions[step.type]) throw new Error('cannot ' + step.type);
    await actions[step.type](step);
  };
  const run = async () => {
    const found = rule.detectors.some(detector =>
      detector.presentMatcher.every(matches) && detector.showingMatcher.every(matches));
    if (!found) return 'nothingDetected';
    told.state.detectedCmps = [name];
    for (const method of ['HIDE_CMP', 'OPEN_OPTIONS', 'HIDE_CMP', 'DO_CONSENT', 'SAVE_CONSENT']) {
      const step = rule.methods.find(each => each.name === method);
      await act(step && step.action);
    }
    return 'done';
  };
  addEventListener('load', () => {
    run().catch(error => 'error: ' + error.message).then(end => { told.state.lifecycle = end; });
  });
})();
"""

_OVER = """() => {
  const { state, messages } = window.cmwAutomation || { state: {}, messages: [] };
  const tests = messages.some(message => message.scheduleSelfTest);
  const tested = !tests || messages.some(message => message.type === 'selfTestResult');
  return /^(done|nothingDetected|optOutFailed|optInFailed|error.*)$/.test(state.lifecycle) && tested;
}"""


def own_rule() -> Mapping[str, object]:
    """Return the rule for autoconsent from our documentation."""
    rule: Mapping[str, object] = json.loads((INTEROP / "autoconsent.json").read_text(encoding="utf-8"))
    return rule


def upstream_rules() -> list[Mapping[str, object]]:
    """Return autoconsent's built-in rules that are not limited to certain sites."""
    bundle = json.loads(npm_packages.text(f"{PACKAGE}/rules/rules.json"))["autoconsent"]
    return [rule for rule in bundle if not rule.get("runContext", {}).get("urlPattern")]


def autoconsent(action: str, *, rules: Sequence[Mapping[str, object]], heuristics: str = "off") -> str:
    """
    Return a script to run first in every page: autoconsent and the browser's part.

    Args:
        action: ``optOut`` or ``optIn``.
        rules: The rules by which it detects notices.
        heuristics: ``off``, ``reject``, ``tier1`` or ``tier2``.
    """
    config = {
        "enabled": True,
        "autoAction": action,
        "disabledCmps": [],
        "enablePrehide": True,
        "enableCosmeticRules": True,
        "enableGeneratedRules": True,
        "detectRetries": _ATTEMPTS,
        "isMainWorld": False,
        "prehideTimeout": 2000,
        "enableHeuristicDetection": heuristics != "off",
        "heuristicMode": heuristics,
        # The default limit of 100 ms assumes an idle processor.
        "heuristicPopupSearchTimeout": 5000,
    }
    browser = _BROWSER.replace("RULES", json.dumps(list(rules))).replace("CONFIG", json.dumps(config))
    return browser + npm_packages.text(f"{PACKAGE}/dist/autoconsent.playwright.js")


def consent_o_matic(wanted: str) -> str:
    """Return a script that runs the documentation's rule; ``wanted`` has the category letters that its user allows."""
    rule = (INTEROP / "consent-o-matic.json").read_text(encoding="utf-8")
    letters = {letter: letter in wanted for letter in "DABEFX"}
    return _DRIVER.replace("RULE", rule).replace("WANTED", json.dumps(letters))


def done(page: Page) -> None:
    """Wait until the tool has answered the notice and tested the result, or has given up."""
    page.wait_for_function(_OVER)


def told(page: Page) -> tuple[str, list[str], bool | None]:
    """Return the final state, the notices found, and the result of the tool's self-test."""
    ended, found, test = page.evaluate(
        "() => { const state = window.cmwAutomation.state;"
        " return [state.lifecycle, state.detectedCmps || [], state.selfTest ?? null]; }"
    )
    return ended, found, test
