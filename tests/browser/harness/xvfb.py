"""
A virtual screen for a browser that needs one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from tests.browser.harness.engines import BrowserError
from tests.browser.harness.processes import running

#: Xvfb chooses a free display number and writes it to this descriptor.
_FLAGS = ["-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-noreset"]


@contextlib.contextmanager
def screen(path: str) -> Iterator[str]:
    """Run the X server ``path`` and yield the display's name, such as ``:3``."""
    reader, writer = os.pipe()
    with contextlib.ExitStack() as stack:
        numbers = stack.enter_context(open(reader, "rb"))
        try:
            process = stack.enter_context(running([path, "-displayfd", str(writer), *_FLAGS], pass_fds=[writer]))
        finally:
            os.close(writer)
        number = numbers.readline().decode().strip()
        if not number:
            raise BrowserError(f"{path} ended before it was ready, status {process.wait(10)}")
        yield f":{number}"
