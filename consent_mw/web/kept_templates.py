"""
Caches the compiled templates of our pages, so that an installation compiles them once and not in each process.

Compiling the templates of the figures takes as long as showing three years of figures. The result is stored next to
this package's bytecode, by version of Python, version of Jinja and content of the template. If the folder is not
writable, each process compiles the templates itself.
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
    Let an environment cache its compiled templates, if Python caches bytecode.

    Args:
        name: Distinguishes environments that compile the same templates with different settings.
    """
    try:
        folder = Path(cache_from_source(__file__)).parent
    except NotImplementedError:
        return
    environment.bytecode_cache = _Kept(str(folder), f"template-{name}-{version('jinja2')}-%s.cache")


class _Kept(FileSystemBytecodeCache):
    """A cache whose files may be missing, damaged or not writable: then the template is compiled."""

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except Exception:  # a damaged file: Jinja unpickles parts of it, which may raise anything
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        try:
            Path(self.directory).mkdir(exist_ok=True)
            super().dump_bytecode(bucket)
        except OSError:
            return
