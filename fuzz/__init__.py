"""
Coverage-guided fuzzing of everything that strangers can write: pages, style sheets, addresses, cookies, headers.

``make fuzz MINUTES=10`` shares that time among all targets; ``python -m fuzz TARGET --minutes 10`` runs one. A run that
finds something fails, and writes it to ``fuzz/findings/TARGET-…``. Once it is mended, move it to the folder
``fuzz/regressions/TARGET``: the tests try it again each time.
"""

#: Every target, as :mod:`fuzz.targets` knows them.
NAMES = ("page", "raw", "scan", "css", "address", "cookie", "headers", "settings")
