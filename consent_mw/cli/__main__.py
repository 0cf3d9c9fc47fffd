"""``python -m consent_mw.cli``."""

from __future__ import annotations

import sys

from consent_mw.cli import main

if __name__ == "__main__":
    sys.exit(main())
