"""
A demo shop for consent_mw, and a tracker farm that plays the vendors of its tags.

Start both with ``python -m demo_site``. Nothing leaves this machine: each vendor's host is replaced with
``HOST.localhost``, which browsers resolve to the loopback address.
"""
