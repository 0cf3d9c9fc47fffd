"""
Pages and requests of real sites, run in Chromium: a visitor who refuses keeps a working site, and nothing leaves.

Our own cases are in ``cases/``. If the shared test material is available, its cases run too.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests import npm_packages
from tests.browser.harness.proxy import Proxy
from tests.field.case import Case
from tests.field.expectations import Before
from tests.field.expectations import problems
from tests.field.site import FieldSite
from tests.field.steps import Stage
from tests.field.steps import act

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: The exit status of a case that is a program, if it cannot run here.
CANNOT_RUN = 77


def shared() -> Path | None:
    """Return the folder of the shared field cases, or None."""
    tried = [os.environ.get("CONSENT_MW_FIELD"), str(ROOT.parent / "shared" / "field")]
    return next((Path(one) / "cases" for one in tried if one and (Path(one) / "cases").is_dir()), None)


def cases() -> Iterator[Case]:
    """Yield every available case, our own first."""
    for folder in filter(None, [HERE / "cases", shared()]):
        yield from (Case.read(path.parent) for path in sorted(folder.glob("*/case.toml")))


CASES = list(cases())
PROGRAMS = [case for case in CASES if "script" in case.told]


def need(case: Case) -> None:
    """Skip the test of a case whose requirements are missing on this machine."""
    for kind, name in case.needs:
        if kind == "npm" and not (npm_packages.FOLDER / name).is_dir():
            pytest.skip(f"no {name} under tests/npm: run .ci/npm (it needs npm)")
        if kind == "python" and importlib.util.find_spec(name) is None:
            pytest.skip(f"no Python package {name}")
        if kind == "program" and shutil.which(name) is None:
            pytest.skip(f"no program {name}")


@pytest.mark.browser
@pytest.mark.parametrize("case", [case for case in CASES if "script" not in case.told], ids=lambda case: case.name)
def test_the_case_goes_as_a_user_would_expect(case: Case, chromium: Browser, proxy: Proxy, tmp_path: Path) -> None:
    """After each step of the case its expectations are met."""
    need(case)
    with contextlib.ExitStack() as stack:
        lane = stack.enter_context(proxy.lane())
        site = FieldSite(case, tmp_path, npm_packages.FOLDER)
        stack.callback(site.close)
        steps = case.told["steps"]
        if case.told.get("learn", not case.told.get("config", {}).get("services")):
            site.learn(
                dict.fromkeys(str(step["visit"]) for step in steps if str(step.get("visit", "")).startswith("/"))
            )
        stage = Stage(case, site, chromium, lane)
        stack.callback(stage.close)
        for number, step in enumerate(steps, 1):
            before = Before(*site.kept())
            if stage.visitor is not None:
                stage.visitor.begin()
            act(stage, step)
            assert problems(stage, step.get("expect", {}), before) == [], (
                f"step {number} of {case.name}: {case.told['title']}"
            )


@pytest.mark.slow
@pytest.mark.parametrize("case", PROGRAMS, ids=lambda case: case.name)
def test_the_program_ends_well(case: Case, tmp_path: Path) -> None:
    """A case that is a program exits with 0."""
    need(case)
    done = subprocess.run(
        [sys.executable, str(case.folder / case.told["script"])],
        env={**os.environ, "PYTHONPATH": str(ROOT), "FIELD_WORK": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode == CANNOT_RUN:
        pytest.skip((done.stdout.strip() or done.stderr.strip()).splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_case_is_well_formed(case: Case) -> None:
    """A case has a title and a kind, and steps or a program."""
    assert case.told["title"] and case.told["kind"] and ("steps" in case.told) != ("script" in case.told)
