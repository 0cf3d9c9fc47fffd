"""
Measurements of consent_mw beside its peers: ``make bench``, or ``python -m benchmarks --help``.

Figures of one run belong together; between machines, compare the ratios.
"""
