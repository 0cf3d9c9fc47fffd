"""What the ledger proves."""
