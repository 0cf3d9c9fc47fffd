"""
Coverage-guided fuzzing of all untrusted input: pages, style sheets, addresses, cookies, headers.

``make fuzz MINUTES=10`` divides that time among all targets; ``python -m fuzz TARGET --minutes 10`` runs one. If there
is a finding, the run fails and writes the input to ``fuzz/findings/TARGET-…``. After fixing the bug, move that file to
``fuzz/regressions/TARGET``: the tests run those inputs every time.
"""

#: The names of the targets in :mod:`fuzz.targets`.
NAMES = ("page", "raw", "scan", "trees", "css", "address", "cookie", "headers", "settings")
