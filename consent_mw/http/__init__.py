"""Pure: one request and its response."""
