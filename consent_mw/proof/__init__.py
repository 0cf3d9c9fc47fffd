"""Proof from the ledger: seals, verification, receipts, exports, retention and the results of audits."""
