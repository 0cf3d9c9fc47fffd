"""Pure: the bytes of a page in, bytes out."""
