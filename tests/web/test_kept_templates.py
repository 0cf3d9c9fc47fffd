"""Templates are compiled once for an installation, and whatever stands in the way costs time alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import DictLoader
from jinja2 import Environment

from consent_mw.web import kept_templates


class Counting(Environment):
    """Counts what it compiles."""

    compiled = 0

    def _generate(self, *arguments: object, **named: object) -> str:
        self.compiled += 1
        return str(super()._generate(*arguments, **named))  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have Python keep bytecode in a folder of the test."""
    monkeypatch.setattr(kept_templates, "cache_from_source", lambda path: str(tmp_path / "kept" / "module.pyc"))
    return tmp_path / "kept"


def shown(source: str = "<p>{{ name }}", name: str = "pages") -> tuple[str, int]:
    """Return what another process shows of a template, and how often it compiled."""
    environment = Counting(loader=DictLoader({"a.html": source}), autoescape=True)
    kept_templates.keep_compiled(environment, name)
    return environment.get_template("a.html").render(name="<b>"), environment.compiled


def test_a_template_is_compiled_by_one_process(folder: Path) -> None:
    """The next process shows the same without compiling."""
    assert [shown(), shown()] == [("<p>&lt;b&gt;", 1), ("<p>&lt;b&gt;", 0)]


def test_a_changed_template_is_compiled_anew(folder: Path) -> None:
    """An edit takes effect at once."""
    shown()
    assert shown("<i>{{ name }}") == ("<i>&lt;b&gt;", 1)


def test_environments_of_other_settings_share_nothing(folder: Path) -> None:
    """What one environment compiled is nothing to another, which may escape otherwise."""
    shown()
    assert shown(name="parts") == ("<p>&lt;b&gt;", 1)


@pytest.mark.parametrize("content", [b"", b"j2", b"\x80garbage", b"\0" * 400])
def test_a_damaged_file_is_passed_over(folder: Path, content: bytes) -> None:
    """A file that is cut or overwritten costs a compilation, and is put right."""
    shown()
    (kept,) = folder.iterdir()
    start = kept.read_bytes()[:40]
    for damaged in (content, start, start + content):
        kept.write_bytes(damaged)
        assert [shown(), shown()] == [("<p>&lt;b&gt;", 1), ("<p>&lt;b&gt;", 0)]


def test_where_nothing_can_be_written_each_process_compiles(folder: Path) -> None:
    """An installation that is read-only shows its pages all the same."""
    folder.write_text("a file stands where the folder would be")
    assert [shown(), shown()] == [("<p>&lt;b&gt;", 1), ("<p>&lt;b&gt;", 1)]


def test_where_python_keeps_nothing_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python without a place for bytecode compiles in each process."""

    def nowhere(path: str) -> str:
        raise NotImplementedError

    monkeypatch.setattr(kept_templates, "cache_from_source", nowhere)
    assert [shown(), shown()] == [("<p>&lt;b&gt;", 1), ("<p>&lt;b&gt;", 1)]
