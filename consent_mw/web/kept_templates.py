"""
The templates of our pages, compiled once for an installation and not by the first visitor of each process.

To compile the templates of the figures takes as long as to show three years of them. What comes out is kept where
Python keeps the bytecode of this package, for this version of Python and of Jinja, as long as the template is the
same. Where that folder cannot be written to, each process compiles for itself.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path

from jinja2 import Environment
from jinja2 import FileSystemBytecodeCache
from jinja2.bccache import Bucket

__all__ = ["keep_compiled"]


def keep_compiled(environment: Environment, name: str) -> None:
    """
    Let an environment keep what it compiles; where Python keeps nothing, do nothing.

    Args:
        name: Tells apart environments that compile the same templates with other settings.
    """
    try:
        folder = Path(cache_from_source(__file__)).parent
    except NotImplementedError:
        return
    environment.bytecode_cache = _Kept(str(folder), f"template-{name}-{version('jinja2')}-%s.cache")


class _Kept(FileSystemBytecodeCache):
    """Files that may be missing, damaged or impossible to write: then the template is compiled."""

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except Exception:  # whatever stands in the file: jinja reads parts of it as a pickle, and says anything
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        try:
            Path(self.directory).mkdir(exist_ok=True)
            super().dump_bytecode(bucket)
        except OSError:
            return
