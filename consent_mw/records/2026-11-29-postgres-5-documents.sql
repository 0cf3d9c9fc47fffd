-- The ledger also takes documents of the owner, such as the result of an audit. The rows that are there are valid.

ALTER TABLE ledger DROP CONSTRAINT ledger_act_check;
ALTER TABLE ledger ADD CONSTRAINT ledger_act_check
    CHECK (act IN ('accept', 'partial', 'withdraw', 'replace', 'erase', 'document')) NOT VALID;
