"""
The pages under the mount: choice, preferences, placeholders; see :mod:`consent_mw.web.app`.

This module imports nothing: a site starts without its pages, and creates them on the first request for one.
"""
