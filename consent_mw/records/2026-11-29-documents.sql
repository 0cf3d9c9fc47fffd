-- The ledger also takes documents of the owner, such as the result of an audit. SQLite cannot change the condition of a
-- column, so the rows are copied.

ALTER TABLE ledger RENAME TO old_ledger;
DROP INDEX ledger_waiting;
DROP INDEX ledger_sealed;

CREATE TABLE ledger (
    site     TEXT NOT NULL,
    receipt  TEXT NOT NULL CHECK (length(receipt) > 0),
    step     INTEGER NOT NULL CHECK (step IN (0, 1)),
    act      TEXT NOT NULL CHECK (act IN ('accept', 'partial', 'withdraw', 'replace', 'erase', 'document')),
    day      INTEGER NOT NULL CHECK (typeof(day) = 'integer'),
    revision TEXT NOT NULL,
    purposes TEXT NOT NULL,  -- JSON arrays of ids, sorted
    services TEXT NOT NULL,
    gpc      INTEGER NOT NULL CHECK (gpc IN (0, 1)),
    language TEXT NOT NULL,
    notice   TEXT NOT NULL,
    about    TEXT NOT NULL,
    seal     INTEGER,
    place    INTEGER,
    PRIMARY KEY (site, receipt, step)
) WITHOUT ROWID;

INSERT INTO ledger SELECT * FROM old_ledger;

DROP TABLE old_ledger;

CREATE INDEX ledger_waiting ON ledger (site) WHERE seal IS NULL;
CREATE INDEX ledger_sealed ON ledger (site, seal, place) WHERE seal IS NOT NULL;
