"""What visitors see in a page, and the code that is inserted into it."""
