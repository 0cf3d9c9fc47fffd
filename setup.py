"""
What of a build is not declared: the wheel carries the catalogue as it is read at start-up, and the scanner in C.

The scanner is optional. Where it cannot be compiled (no compiler, no headers of Python, a Python without the stable
ABI) the build goes on without it and says so, and Python does its work. ``CONSENT_MW_PURE=1`` leaves it out: so the
wheel for every platform is made. Metadata is in pyproject.toml, packages are in setup.cfg.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension
from setuptools import setup
from setuptools.command.build_py import build_py

_FILE = "consent_mw/catalogue/prepared.bin"


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


def _scanner() -> list[Extension]:
    """Return the scanner in C, by the stable ABI of Python 3.11; nothing where there is none or it is not wanted."""
    # Builds without the global interpreter lock have no stable ABI, and PyPy is faster without.
    stable = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
    if not stable or os.environ.get("CONSENT_MW_PURE", "") not in ("", "0"):
        return []
    return [
        Extension(
            "consent_mw.html._scan",
            ["consent_mw/html/_scan.c"],
            define_macros=[("Py_LIMITED_API", "0x030b0000")],
            py_limited_api=True,
            optional=True,
        )
    ]


_EXTENSIONS = _scanner()
setup(
    cmdclass={"build_py": BuildWithCatalogue},
    ext_modules=_EXTENSIONS,
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if _EXTENSIONS else {},
)
