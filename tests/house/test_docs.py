"""
The documents are correct: their code runs, their links have targets, and their commands exist.

The language of a fenced block decides its check. ``python`` blocks of one document run in order and share their names,
in an empty folder. ``toml`` blocks that are a configuration load without a problem. ``json`` blocks parse. In ``sh``
blocks every ``make`` target exists. A block under the line ``<!-- not run: reason -->`` is skipped.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from consent_mw import config

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^(?P<indent> *)(?P<mark>`{3,}|~{3,})(?P<language>[\w+-]*).*$")
_NOT_RUN = re.compile(r"<!-- not run: \S.*-->")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+(?:\([^()]*\))?)(?:\s+\"[^\"]*\")?\)")
_HTML_LINK = re.compile(r"""<(?:img|a|source)\b[^>]*?\s(?:src|href|srcset)=["'](?P<target>[^"']+)["']""")
_HEADING = re.compile(r"^#{1,6}\s+(?P<text>.+?)\s*#*$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its first line number, and whether the author wants it skipped."""

    document: Path
    line: int
    language: str
    text: str
    run: bool


def name(path: Path) -> str:
    """Return the path for a test id."""
    return path.relative_to(ROOT).as_posix()


def blocks(document: Path) -> Iterator[Block]:
    """Read the fenced blocks of a document."""
    opened: re.Match[str] | None = None
    start, run, before, held = 0, True, "", list[str]()
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is None:
            if fence:
                opened, start, run, held = fence, number + 1, not _NOT_RUN.search(before), []
            elif line.strip():
                before = line
        elif fence and fence["mark"].startswith(opened["mark"]) and not fence["language"]:
            indent = len(opened["indent"])
            text = "\n".join(part[indent:] for part in held) + "\n"
            yield Block(document, start, opened["language"], text, run)
            opened, before = None, ""
        else:
            held.append(line)
    assert opened is None, f"{name(document)}: the fence above line {start} is never closed"


def prose(document: Path) -> str:
    """Return the document without fenced blocks and inline code, which cannot contain links."""
    kept, inside = [], False
    for line in document.read_text(encoding="utf-8").splitlines():
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            kept.append(re.sub(r"`[^`]*`", "", line))
    return "\n".join(kept)


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as common renderers spell them."""
    found: set[str] = set()
    inside = False
    for line in document.read_text(encoding="utf-8").splitlines():
        if _FENCE.match(line):
            inside = not inside
        heading = None if inside else _HEADING.match(line)
        if heading:
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).lower()
            slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            candidates = (slug if not count else f"{slug}-{count}" for count in range(100))
            found.add(next(candidate for candidate in candidates if candidate not in found))
    return found


def problem(document: Path, target: str) -> str:
    """Return the problem of a link, or an empty string. Other sites are not visited."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return "" if target.startswith(("https://", "mailto:", "http://localhost", "http://127.")) else "not https"
    path, _, anchor = target.partition("#")
    file = (document.parent / path).resolve() if path else document
    if not file.is_relative_to(ROOT):
        return "leads out of the repository"
    if not file.exists():
        return "no such file"
    if anchor and file.suffix == ".md" and anchor not in anchors(file):
        return "no such heading"
    return ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    """The file of every relative link and image exists, and so does the heading if there is one."""
    text = prose(document)
    targets = [match["target"] for pattern in (_LINK, _HTML_LINK) for match in pattern.finditer(text)]
    assert [f"{target}: {what}" for target in targets if (what := problem(document, target))] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_python_code_runs(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of a document run, one after the other, with warnings as errors."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "documentation"}
    for block in blocks(document):
        # Write the configuration to the file that a later block loads.
        if block.language == "toml" and is_config(block.text):
            (tmp_path / "consent.toml").write_text(block.text, encoding="utf-8")
        if block.language != "python" or not block.run:
            continue
        tree = ast.parse(block.text, filename=name(document))
        ast.increment_lineno(tree, block.line - 1)
        exec(compile(tree, name(document), "exec", dont_inherit=True), names)  # noqa: S102 - our own documents


def is_config(text: str) -> bool:
    """Return whether a TOML block is a consent.toml."""
    return bool({"site", "services", "purposes"} & set(tomllib.loads(text)))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_data_blocks_are_valid(document: Path) -> None:
    """TOML and JSON blocks parse, and a configuration among them has no problem."""
    for block in blocks(document):
        if not block.run:
            continue
        if block.language == "json":
            json.loads(block.text)
        elif block.language == "toml" and is_config(block.text):
            config.load(tomllib.loads(block.text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_make_targets_exist(document: Path) -> None:
    """Every ``make`` command that a document shows is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    shown = [
        found
        for block in blocks(document)
        if block.language in {"sh", "bash", "console", "shell"}
        for found in re.findall(r"^(?:\$ )?make ([a-z-]+)", block.text, re.M)
    ]
    assert sorted(set(shown) - targets) == []


def _threats() -> list[str]:
    """Return the rows of the threat model."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    table = text.partition("| attacker | writes | defence | shown by |\n|---|---|---|---|\n")[2]
    return table.partition("\n\n")[0].splitlines()


@pytest.mark.parametrize("row", _threats())
def test_each_threat_names_its_test(row: str) -> None:
    """Each line of the threat model ends with a test, and all tests that it names exist."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.rstrip("| ").rpartition("|")[2])
    assert named
    for path, test in named:
        assert f"\ndef {test}(" in (ROOT / path).read_text(encoding="utf-8")


def test_a_broken_link_would_be_seen() -> None:
    """The check of links detects a missing file, a missing heading, and a path outside the repository."""
    document = ROOT / "CONTRIBUTING.md"
    targets = ["nowhere.md", "#nowhere", "../../etc/passwd", "http://example.com/", "SECURITY.md#compatibility"]
    answers = [problem(document, target) for target in targets]
    assert answers == ["no such file", "no such heading", "leads out of the repository", "not https", ""]


def test_blocks_are_read_with_their_place_and_language(tmp_path: Path) -> None:
    """Each fenced block is read with its first line number, its language, and the mark that it is not run."""
    document = tmp_path / "page.md"
    document.write_text("# A\n\n```python\nx = 1\n```\n<!-- not run: a sketch -->\n\n```toml\n[site]\n```\n")
    found = [(block.line, block.language, block.text, block.run) for block in blocks(document)]
    assert found == [(4, "python", "x = 1\n", True), (9, "toml", "[site]\n", False)]
