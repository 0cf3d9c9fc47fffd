"""Run a target: ``python -m fuzz TARGET [--minutes 10]``; ``python -m fuzz all --minutes 10`` runs each in turn."""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from fuzz import NAMES

HERE = Path(__file__).resolve().parent
FINDINGS = HERE / "findings"
#: The longest input in bytes; a page of the grammar is about twenty times as long.
LONGEST = 512


def keeping(name: str, target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Wrap ``target`` so that it saves the input of a finding; libFuzzer itself does so only for crashes."""

    def kept(data: bytes) -> None:
        try:
            target(data)
        except Exception:
            (FINDINGS / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}").write_bytes(data)
            raise

    return kept


def run(name: str, seconds: int) -> None:
    """Fuzz one target until the time is over or there is a finding; never returns."""
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["consent_mw"]):
        from fuzz import targets  # imported here, so that coverage of its imports is recorded

    FINDINGS.mkdir(exist_ok=True)
    corpus = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    for number, seed in enumerate(targets.SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    kept = HERE / "regressions" / name
    folders = [str(corpus), *([str(kept)] if kept.is_dir() else [])]
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-timeout=20"]
    options.append(f"-artifact_prefix={FINDINGS}/{name}-")
    atheris.Setup([sys.argv[0], *folders, *options], keeping(name, targets.TARGETS[name]))
    atheris.Fuzz()


def main() -> int:
    """Run the targets on the command line; the exit status is 1 if there was a finding."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Fuzz what strangers can write.")
    parser.add_argument("target", choices=["all", *NAMES])
    parser.add_argument("--minutes", type=float, default=10.0, help="for all targets together (10)")
    options = parser.parse_args()
    if options.target != "all":
        run(options.target, max(1, int(options.minutes * 60)))
    failed = []
    for name in NAMES:
        command = [sys.executable, "-m", "fuzz", name, "--minutes", str(options.minutes / len(NAMES))]
        print(f"-- {name}", flush=True)
        if subprocess.run(command, cwd=HERE.parent, check=False).returncode:
            failed.append(name)
    print(f"{len(NAMES) - len(failed)} targets without a finding; with one: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
