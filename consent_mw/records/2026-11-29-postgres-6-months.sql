-- The ledger in partitions: what is not sealed is in one of its own, and each seal is in the one of its month, so that
-- old months can be dropped. `month` is 0 or YYYYMM. The table so far becomes the partition of what is not sealed, with
-- all its rows; `consent-mw records migrate` then moves those that are sealed, a seal at a time.

ALTER TABLE ledger VALIDATE CONSTRAINT ledger_act_check;
ALTER TABLE ledger RENAME TO ledger_open;
ALTER TABLE ledger_open ADD COLUMN month INTEGER NOT NULL DEFAULT 0;

CREATE TABLE ledger (LIKE ledger_open INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY LIST (month);
ALTER TABLE ledger ATTACH PARTITION ledger_open FOR VALUES IN (0);
