"""
A demo shop for consent_mw, and a tracker farm that stands in for the vendors of its tags.

Start both with ``python -m demo_site``. Everything stays on this machine: ``HOST.localhost`` stands in for each
vendor's host, and browsers resolve it to the loopback address themselves.
"""
