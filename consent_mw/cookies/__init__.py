"""Our own cookies."""
