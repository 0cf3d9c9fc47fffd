"""
A shop to try consent_mw on, and a farm that stands in for the trackers it is tagged with.

Start both with ``python -m demo_site``. Everything stays on this machine: the
vendors' hosts are played by ``HOST.localhost``, which browsers resolve to the
loopback address themselves.
"""
