-- Several sites in one file, seals over the ledger, the notices shown, and the counters.
--
-- As before: no rowid, keys that are random or fixed, no time finer than a day, nothing of a device or a person.
-- Counters and ledger share no key, and no row of the counters has two dimensions. `:site` is the site that opens
-- the file: what an older version wrote there was its own.

ALTER TABLE ledger RENAME TO old_ledger;
ALTER TABLE learned RENAME TO old_learned;

-- `step` is 0 for what begins a receipt and 1 for what ends it. `seal` and `place` say where it was sealed.
CREATE TABLE ledger (
    site     TEXT NOT NULL,
    receipt  TEXT NOT NULL CHECK (length(receipt) > 0),
    step     INTEGER NOT NULL CHECK (step IN (0, 1)),
    act      TEXT NOT NULL CHECK (act IN ('accept', 'partial', 'withdraw', 'replace', 'erase')),
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

CREATE INDEX ledger_waiting ON ledger (site) WHERE seal IS NULL;
CREATE INDEX ledger_sealed ON ledger (site, seal, place) WHERE seal IS NOT NULL;

-- The file may say a receipt was granted more than once. Its last grant keeps the receipt; one before it gets a name of
-- its own, RECEIPT/STEP, and so does what ended it. Ending a receipt twice means what ending it once does.
INSERT INTO ledger
SELECT :site, receipt || CASE WHEN step < (SELECT max(step) FROM old_ledger AS later
                                           WHERE later.receipt = old_ledger.receipt
                                           AND later.action IN ('accept', 'partial'))
                              THEN '/' || step ELSE '' END,
       0, action, day, revision, purposes, services, gpc, language, notice, '', NULL, NULL
FROM old_ledger WHERE action IN ('accept', 'partial');

INSERT OR IGNORE INTO ledger
SELECT :site, receipt || CASE WHEN granted < latest THEN '/' || granted ELSE '' END,
       1, 'withdraw', day, revision, purposes, services, gpc, language, notice, '', NULL, NULL
FROM (SELECT old_ledger.*,
             (SELECT max(step) FROM old_ledger AS before WHERE before.receipt = old_ledger.receipt
              AND before.step < old_ledger.step AND before.action IN ('accept', 'partial')) AS granted,
             (SELECT max(step) FROM old_ledger AS later WHERE later.receipt = old_ledger.receipt
              AND later.action IN ('accept', 'partial')) AS latest
      FROM old_ledger WHERE action = 'withdraw')
ORDER BY receipt, step;

CREATE TABLE seals (
    site      TEXT NOT NULL,
    number    INTEGER NOT NULL,
    day       INTEGER NOT NULL CHECK (typeof(day) = 'integer'),
    size      INTEGER NOT NULL,
    root      BLOB NOT NULL,
    previous  BLOB NOT NULL,
    signature TEXT NOT NULL,
    leaves    BLOB,  -- one after the other; NULL once retention has taken the entries away
    PRIMARY KEY (site, number)
) WITHOUT ROWID;

CREATE TABLE notices (
    site     TEXT NOT NULL,
    digest   TEXT NOT NULL,
    document BLOB NOT NULL,  -- compressed by zlib
    PRIMARY KEY (site, digest)
) WITHOUT ROWID;

CREATE TABLE counts (
    site      TEXT NOT NULL,
    day       INTEGER NOT NULL CHECK (typeof(day) = 'integer'),
    dimension TEXT NOT NULL,
    value     TEXT NOT NULL,
    outcome   TEXT NOT NULL,
    total     INTEGER NOT NULL,
    PRIMARY KEY (site, day, dimension, value, outcome)
) WITHOUT ROWID;

CREATE TABLE figures (
    site      TEXT NOT NULL,
    name      TEXT NOT NULL,
    first_day INTEGER NOT NULL,
    last_day  INTEGER NOT NULL,
    cells     TEXT NOT NULL,  -- JSON array of [value, outcome, number]
    PRIMARY KEY (site, name, first_day)
) WITHOUT ROWID;

CREATE TABLE learned (
    site    TEXT NOT NULL,
    service TEXT NOT NULL,
    day     INTEGER NOT NULL CHECK (typeof(day) = 'integer'),
    PRIMARY KEY (site, service)
) WITHOUT ROWID;

INSERT INTO learned SELECT :site, service, day FROM old_learned;

DROP TABLE old_ledger;
DROP TABLE old_learned;
