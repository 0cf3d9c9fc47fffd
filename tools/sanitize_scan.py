"""
Try the scanner in C under the address and undefined-behaviour sanitizers.

    python -m tools.sanitize_scan [--minutes 2]

Builds ``consent_mw/html/_scan.c`` with both into a folder of its own, then scans hostile markup for that long in a
process that loads this build: at each tag, whole and cut anywhere, in buffers that end where the markup ends, so that
one byte too far is noticed. Every result is compared with the patterns. Ends with 1 at the first finding. Needs gcc.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import subprocess
import sys
import sysconfig
import tempfile
import time
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec
from importlib.util import spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "consent_mw" / "html" / "_scan.c"
_NAME = "consent_mw.html._scan"
_FLAGS = ("-g", "-O1", "-Wall", "-Wextra", "-Wno-cast-function-type", "-fno-omit-frame-pointer", "-shared", "-fPIC")
_SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def build(target: Path) -> None:
    """Compile the scanner with the sanitizers."""
    include = sysconfig.get_paths()["include"]
    command = ["gcc", *_FLAGS, *_SANITIZERS, f"-I{include}", "-o", str(target), str(SOURCE)]
    subprocess.run(command, check=True)  # noqa: S603 -- a fixed program


def start(library: Path, seconds: float, seed: int) -> int:
    """Run :func:`scan_on` in a process with the sanitizers' own allocator, and return its exit status."""
    asan = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True)  # noqa: S607
    environment = {
        **os.environ,
        "LD_PRELOAD": asan.stdout.strip(),
        # Python does not free everything at exit, so leaks are not reported. With malloc each buffer is a separate
        # block.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(ROOT),
        "CONSENT_MW_PURE": "0",
    }
    command = [sys.executable, "-m", "tools.sanitize_scan", "--library", str(library)]
    command += ["--minutes", str(seconds / 60), "--seed", str(seed)]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode  # noqa: S603 -- our own program


def load(library: Path) -> None:
    """Load this build instead of one that may be next to the source."""
    loader = ExtensionFileLoader(_NAME, str(library))
    spec = spec_from_file_location(_NAME, library, loader=loader)
    assert spec is not None  # noqa: S101 -- a loader was given
    sys.modules[_NAME] = module_from_spec(spec)
    loader.exec_module(sys.modules[_NAME])


def exactly(markup: bytes) -> memoryview:
    """
    Return a copy whose buffer ends where the markup ends; some text precedes it.

    Bytes, arrays and small ctypes buffers are followed by memory that can be read without a finding.
    """
    padded = b"text to be large" + b"." + markup
    return memoryview((ctypes.c_char * len(padded)).from_buffer_copy(padded)).cast("B")


def scan_on(seconds: float, seed: int) -> tuple[int, int]:
    """Scan for the given time; return how many pages were scanned, and how many were rewritten."""
    from consent_mw.html import scan
    from fuzz import grammar
    from tests.html import following
    from tests.html import markup_pieces
    from tests.html import scanning
    from tests.html.test_scan import compare

    if scan.Scanner is None:
        raise SystemExit("the library was not loaded")
    words = scan.Words({b"script": 1, b"a": 1}, {b"tex": 1}) if scan.Words is not None else None
    scanned = rewritten = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        chance = random.Random(seed + scanned)  # noqa: S311 -- not a secret
        page = markup_pieces.page(chance, 1 + chance.randrange(8))
        for size in (len(page), *(chance.randrange(len(page) + 1) for _ in range(3))):
            cut = exactly(page[:size])
            scanning.check(cut, scanning.tags_in(cut))
            text = bytes(cut[-5:])
            assert not text or scan.occurs(cut, (b"<!--#", text, b"player")), text  # noqa: S101 -- it stands at the very end
            assert words is None or len(words.found_in(cut)) <= size + 1  # noqa: S101 -- it reads to the very end
        repetitive = following.repetitive_page(chance)
        part = repetitive[: chance.randrange(len(repetitive)) + 1]
        following.follow_from_all(exactly(part))
        scanned += 1
        if scanned % 8 == 0:
            page += grammar.page(chance.randbytes(20))
            compare(page, [chance.randrange(len(page) + 1) for _ in range(3)])
            rewritten += 1
    return scanned, rewritten


def main() -> int:
    """Build, scan, and print what was tried."""
    parser = argparse.ArgumentParser(prog="python -m tools.sanitize_scan", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--library", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    seconds = options.minutes * 60
    if options.library is None:
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder, "_scan.abi3.so")
            build(library)
            return start(library, seconds, options.seed)
    load(options.library)
    scanned, rewritten = scan_on(seconds, options.seed)
    print(f"{scanned} pieces of markup scanned and {rewritten} pages rewritten without a finding")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
