"""What a visitor sees in a page, and the code that stands in it."""
