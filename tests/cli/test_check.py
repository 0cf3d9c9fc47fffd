"""``consent-mw check``: a right configuration, a wrong one, and texts that are missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consent_mw.cli import main

WHOLE = '[site]\nlanguages = ["en", "de"]\n'
LACKING = WHOLE + '[purposes.surveys]\nlabel.en = "Surveys"\n'


def run(path: Path, text: str, *options: str) -> int:
    """Run the command on a configuration."""
    file = path / "consent.toml"
    file.write_text(text, encoding="utf-8")
    return main(["--config", str(file), "check", *options])


def test_a_complete_site_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says so, and the exit code is 0."""
    code = run(tmp_path, WHOLE)
    expected = "OK: services learned from the pages, 2 languages; no text is missing in any language.\n"
    out, err = capsys.readouterr()
    assert (code, out.startswith(expected), err) == (0, True, "")


def test_a_missing_text_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each text that falls back stands under its language, and the exit code is 1."""
    code = run(tmp_path, LACKING)
    out, err = capsys.readouterr()
    told = "\n[de] 1 missing\n  purposes.surveys.label\n"
    assert (code, told in out, err) == (1, True, "")


def test_a_language_without_any_text_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told that the language is not offered, and how it would be."""
    code = run(tmp_path, '[site]\nlanguages = ["en", "eu"]\n')
    told = "[eu] has no texts, so it is not offered; write them under [texts.eu]"
    assert (code, told in capsys.readouterr().out.splitlines()) == (1, True)


def test_half_a_language_is_listed_by_its_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is left to write is shown as it is written in the settings."""
    run(tmp_path, '[site]\nlanguages = ["en", "eu"]\n[texts.eu]\n"banner.title" = "Cookieak"\n')
    lines = capsys.readouterr().out.splitlines()
    assert ('  [texts.eu] "banner.text"' in lines, '  [texts.eu] "banner.title"' in lines) == (True, False)


def test_programs_get_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same findings by language, with the same exit code."""
    code = run(tmp_path, LACKING, "--json")
    found = json.loads(capsys.readouterr().out)
    assert (code, found["missing"]) == (1, {"de": ["purposes.surveys.label"]})


def test_disputed_services_that_run_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that are necessary by the catalogue alone are there; one that the site asks about is not."""
    run(tmp_path, 'services = [{ use = "google-fonts", purposes = ["preferences"] }]\n', "--json")
    fonts = json.loads(capsys.readouterr().out)["disputed"]["fonts from other hosts"]
    assert ("adobe-fonts" in fonts, "google-fonts" in fonts) == (True, False)


def test_mistakes_are_all_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong configuration is told mistake by mistake, and exits with 2."""
    code = run(tmp_path, '[site]\nnam = "x"\n[texts.en]\n"banner.titel" = "x"\n')
    out, err = capsys.readouterr()
    assert (code, out, "Did you mean 'name'?" in err, "Did you mean 'banner.title'?" in err) == (2, "", True, True)
