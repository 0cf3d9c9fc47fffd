"""Anonymous counts, and the little that is known of a visitor."""
