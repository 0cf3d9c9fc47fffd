"""A process that keeps sealing new entries until its input ends: ``python -m tests.faults.sealer URL``."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import closing

from consent_mw.errors import RecordsError
from consent_mw.proof.sealing import seal_new
from consent_mw.records import open_records
from tests.faults.harness import KEYS
from tests.faults.harness import SITE


def main(url: str) -> None:
    """Seal until the input ends, and print the numbers of seals and entries that this process sealed."""
    stopped = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        stopped.set()

    threading.Thread(target=listen, daemon=True).start()
    seals = entries = 0
    with closing(open_records(url, site=SITE)) as records:
        while not stopped.is_set():
            try:
                sealed = seal_new(records, site=SITE, keys=KEYS, today=int(time.time() // 86_400))
            except RecordsError:
                continue  # on a busy machine others may keep the file for too long; a site tries again later as well
            seals += bool(sealed)
            entries += sealed
    print(seals, entries)


if __name__ == "__main__":
    main(sys.argv[1])
