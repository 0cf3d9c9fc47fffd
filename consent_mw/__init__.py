"""consent_mw: the server-side cookie-consent layer for Python web sites."""
