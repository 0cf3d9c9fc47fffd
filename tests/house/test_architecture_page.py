"""The files and functions that docs/architecture.md names for a page, a choice and a record exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
_STEP = re.compile(r"`(consent_mw/[\w/]+\.py): ([\w.]+)`")
STEPS = sorted(set(_STEP.findall(PAGE)))
FILES = sorted(set(re.findall(r"`((?:consent_mw|static|tests)/[\w/]+\.\w+)`", PAGE)))


def names_in(file: Path) -> set[str]:
    """Return the names of the functions and classes of a file, with methods as ``Class.method``."""
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
            found.update(f"{node.name}.{method.name}" for method in methods)
    return found


@pytest.mark.parametrize(("file", "name"), STEPS, ids=lambda text: text)
def test_a_step_leads_to_code(file: str, name: str) -> None:
    """The function or class that a step names is in the file that it names."""
    assert name in names_in(ROOT / file)


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_named_exists(file: str) -> None:
    """A file that the page names exists."""
    assert (ROOT / file).is_file()


def test_each_numbered_step_that_follows_code_names_it() -> None:
    """The three sections have at least eight, seven and five steps that name code."""
    parts = [
        PAGE.partition(f"## One {thing}\n")[2].partition("\n## ")[0] for thing in ("page view", "choice", "record")
    ]
    counts = [
        len([line for line in part.splitlines() if re.match(r"\d+\. ", line) and _STEP.search(line)]) for part in parts
    ]
    assert [count >= least for count, least in zip(counts, (8, 7, 5), strict=True)] == [True, True, True]
