"""Reads the bytes of a page as tags, text and raw text, and notes the edits."""
