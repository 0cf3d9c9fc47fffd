"""
The pages under the mount: choice, preferences, placeholders; see :mod:`consent_mw.web.app`.

Nothing is imported here: a site starts without its pages, and makes them when one is asked for.
"""
