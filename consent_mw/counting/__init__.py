"""Anonymous counts, and the classification of visitors for them."""
