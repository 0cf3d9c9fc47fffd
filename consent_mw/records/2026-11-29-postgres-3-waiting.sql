-- What waits for a seal is read by receipt, which is random; by the old index it came in the order of arrival.

DROP INDEX ledger_waiting;
CREATE INDEX ledger_waiting ON ledger (site, receipt, step) WHERE seal IS NULL;
