"""
Benchmarks of consent_mw and comparable software: ``make bench``, or ``python -m benchmarks --help``.

Compare figures only within one run; between machines, compare ratios.
"""
