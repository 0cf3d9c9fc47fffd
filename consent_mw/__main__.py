"""``python -m consent_mw`` is the command line."""

from __future__ import annotations

import sys

from consent_mw.cli import main

if __name__ == "__main__":
    sys.exit(main())
