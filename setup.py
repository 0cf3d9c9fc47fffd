"""
The one step of a build that is not declared: the wheel carries the catalogue as it is read at start-up.

Metadata is in pyproject.toml, packages are in setup.cfg.
"""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_FILE = "consent_mw/catalogue/prepared.json"


class BuildWithCatalogue(build_py):
    """Copies the packages and prepares the catalogue among them; an editable installation does so on first use."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            sys.path.insert(0, str(Path(__file__).resolve().parent))  # a build by PEP 517 leaves it out
            try:
                from consent_mw import catalogue
            finally:
                del sys.path[0]
            catalogue.prepare(Path(self.build_lib, _FILE).parent)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs: list[str] = super().get_outputs(include_bytecode)
        return outputs if self.editable_mode else [*outputs, str(Path(self.build_lib, _FILE))]


setup(cmdclass={"build_py": BuildWithCatalogue})
