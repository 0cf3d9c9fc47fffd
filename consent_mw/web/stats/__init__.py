"""The owner's pages: published figures."""
