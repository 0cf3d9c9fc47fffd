"""Reads a configuration file, and parses its text with the places of its keys."""

from __future__ import annotations

import re
from collections.abc import Mapping

from consent_mw.config.problems import ConfigReader
from consent_mw.config.toml_lines import toml_lines
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem

__all__ = ["parse_text", "read_file", "read_text"]


def read_text(file: str) -> str:
    """
    Return the text of a file.

    Raises:
        ConfigError: if the file is missing, unreadable, or not UTF-8.
    """
    try:
        with open(file, "rb") as stream:
            raw = stream.read()
        return raw.decode("utf-8")
    except FileNotFoundError:
        problem = Problem(file, "There is no such file.", "Correct the path, or leave it out to use the defaults.")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problem = Problem(file, f"The file cannot be read: {reason}.", "Make it readable for this process.")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = Problem(f"{file}:{line}", "The file is not UTF-8 from here on.", "Save it as UTF-8.")
    raise ConfigError([problem])


def read_file(file: str) -> tuple[ConfigReader, Mapping[str, object]]:
    """
    Return the parsed file with the places of its keys.

    Raises:
        ConfigError: if the file is missing, unreadable, or not TOML.
    """
    return parse_text(read_text(file), file)


def parse_text(text: str, file: str) -> tuple[ConfigReader, Mapping[str, object]]:
    """
    Return a parsed text with the places of its keys, as those of ``file``.

    Raises:
        ConfigError: if the text is not TOML.
    """
    import tomllib  # here, since a site that is configured by a mapping needs none

    text = text.removeprefix("\ufeff")  # editors on Windows may write a byte order mark
    try:
        return ConfigReader(file, toml_lines(text)), tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        problem = Problem(f"{file}:{line}", f"This is not TOML: {error}.", "Correct the syntax here.")
    except RecursionError:
        problem = Problem(file, "Its arrays or tables are nested too deeply.", "Write it as docs/settings.md shows.")
    raise ConfigError([problem])
