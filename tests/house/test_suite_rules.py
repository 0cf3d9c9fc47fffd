"""The rules for every test are enforced."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import conftest
from tests import sharing
from tests import tracing

ROOT = Path(__file__).resolve().parents[2]


def report(reason: str) -> pytest.TestReport:
    """Return the report of a skipped test."""
    return pytest.TestReport(
        nodeid="a test",
        location=("file", 1, "a test"),
        keywords={},
        outcome="skipped",
        longrepr=("file", 1, f"Skipped: {reason}"),
        when="call",
    )


def test_a_skip_is_a_failure_where_nothing_may_be_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI=true a skip because of a missing browser is a failure with that reason."""
    monkeypatch.setenv("CI", "true")
    assert conftest.forbidden_skip(report("chromium is absent")) == "chromium is absent"


def test_a_skip_is_a_skip_on_a_developer_s_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CI=true a test may skip itself."""
    monkeypatch.delenv("CI", raising=False)
    assert conftest.forbidden_skip(report("chromium is absent")) == ""


def test_the_shared_corpus_may_be_absent_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy of the shared test material is the only thing that may be missing on a build machine."""
    monkeypatch.setenv("CI", "true")
    assert conftest.forbidden_skip(report("test corpus absent: set CONSENT_MW_CORPUS to its folder")) == ""


@pytest.mark.parametrize("address", [("192.0.2.1", 443), ("tracker.example", 443), ("2001:db8::1", 443, 0, 0)])
def test_a_connection_to_the_network_is_refused(address: tuple[str | int, ...]) -> None:
    """A test that connects to the network fails at once, whether or not the network is reachable."""
    family = socket.AF_INET6 if len(address) > 2 else socket.AF_INET
    with socket.socket(family) as client, pytest.raises(AssertionError, match="only loopback is allowed"):
        client.connect(address)


@pytest.mark.parametrize("address", [("127.0.0.1", 80), ("::1", 80), ("localhost", 80), ("a.localhost", 80), "/run/x"])
def test_loopback_is_open(address: object) -> None:
    """Connections to this machine are allowed."""
    assert conftest.is_loopback(address)


def test_the_first_cases_of_a_test_function_are_traced(tmp_path: Path) -> None:
    """
    Coverage includes the code of the first cases and of the next test, but not code that only later cases run.

    It includes the code that Hypothesis runs, although Hypothesis itself is not traced.
    """
    room = tmp_path / "tests" / "house"
    room.mkdir(parents=True)
    ways = range(tracing.TRACED + 3)
    lines = [
        "def go(way):",
        *(f"    if way == {way}: return {way}" for way in ways),
        "def last(): return 0",
        "def example(): return 1",
    ]
    (tmp_path / "ways.py").write_text("\n".join(lines).replace(": return", ":\n        return"), encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_configure\n", encoding="utf-8")
    (room / "test_ways.py").write_text(
        f"import hypothesis, pytest, ways\n"
        f"@pytest.mark.parametrize('way', range({len(ways)}))\ndef test_way(way): assert ways.go(way) == way\n"
        "@hypothesis.given(hypothesis.strategies.just(1))\ndef test_example(one): assert ways.example() == one\n"
        "def test_last(): assert ways.last() == 0\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--cov=ways", "--cov-config=pytest.ini", "--cov-report=json:found.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "COVERAGE_FILE": str(tmp_path / ".coverage")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    missing = json.loads((tmp_path / "found.json").read_text())["files"]["ways.py"]["missing_lines"]
    code = (tmp_path / "ways.py").read_text().splitlines()
    returns = [code[line - 1].strip() for line in missing if "return" in code[line - 1]]
    assert returns == [f"return {way}" for way in ways[tracing.TRACED :]]


#: Playwright methods that return the current state of a page, possibly from before the last click.
AT_ONCE = re.compile(
    r"\bassert\b.*\.(?:is_(?:checked|disabled|editable|enabled|hidden|visible)"
    r"|get_attribute|inner_text|input_value|text_content)\("
)


def test_no_test_looks_at_a_page_without_waiting() -> None:
    """A click returns before its effects are visible: ``expect()`` waits for them, ``assert`` does not."""
    assert AT_ONCE.search('    assert page.locator("h1").is_visible()')
    rooms = [room for room in (ROOT / "tests").iterdir() if room.name != "npm"]
    files = [path for room in rooms for path in ([room] if room.suffix == ".py" else room.rglob("*.py"))]
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if AT_ONCE.search(line)
    ]
    assert found == []


RULES = (*sharing.WAITING, *sharing.COMPUTING, *sharing.CUT, *tracing.ROOMS, *tracing.UNTRACED)


@pytest.mark.parametrize("name", RULES)
def test_what_the_rules_name_exists(name: str) -> None:
    """A renamed test would lose its place in the queue, or be traced in full, without anybody noticing."""
    path, _, function = name.partition("::")
    assert (ROOT / path).exists()
    assert not function or f"def {function}(" in (ROOT / path).read_text(encoding="utf-8")


def test_the_visits_of_a_batch_stay_together() -> None:
    """A long file is split when a function recurs, or has had as many tests as a batch has visits."""
    file = "tests/browser/test_traps.py"
    bare = [f"{file}::test_bare[{number}]" for number in range(2 * sharing.MOST)]
    held = [
        f"{file}::{name}[{number}]" for batch in (0, 9) for name in ("a", "b") for number in range(batch, batch + 9)
    ]
    groups = sharing.groups_of([*bare, *held])
    pieces: dict[str, list[str]] = {}
    for name, group in groups.items():
        pieces.setdefault(group, []).append(name)
    assert list(pieces.values()) == [bare[: sharing.MOST], [*bare[sharing.MOST :], *held[:18]], held[18:]]


def test_a_file_is_one_group_and_the_stores_are_another() -> None:
    """Fixtures that are shared in a file, or by the stores' tests, are made in only one process."""
    names = ["tests/web/test_form.py::a[1]", "tests/web/test_form.py::b", "tests/records/test_ledger.py::a"]
    groups = sharing.groups_of([*names, "tests/proof/test_proof.py::a[redis]"])
    assert [*groups.values()] == ["tests/web/test_form.py"] * 2 + ["stores"] * 2
