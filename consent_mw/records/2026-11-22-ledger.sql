-- The ledger of consent and the services that a site without a configuration has seen.
--
-- Neither table has a rowid and both are keyed by what is random or fixed, so that the order in which people came is
-- kept nowhere; no column holds a time finer than a day, and none says anything of a device or a person.

-- A receipt's own history: `step` counts its records, since a choice may be changed twice on a day.
CREATE TABLE ledger (
    receipt  TEXT NOT NULL CHECK (length(receipt) > 0),
    step     INTEGER NOT NULL,
    day      INTEGER NOT NULL CHECK (typeof(day) = 'integer'),
    action   TEXT NOT NULL CHECK (action IN ('accept', 'partial', 'reject', 'withdraw')),
    revision TEXT NOT NULL,
    purposes TEXT NOT NULL,  -- JSON arrays of ids, sorted
    services TEXT NOT NULL,
    gpc      INTEGER NOT NULL CHECK (gpc IN (0, 1)),
    language TEXT NOT NULL,
    notice   TEXT NOT NULL,
    PRIMARY KEY (receipt, step)
) WITHOUT ROWID;

CREATE TABLE learned (
    service TEXT NOT NULL PRIMARY KEY,
    day     INTEGER NOT NULL CHECK (typeof(day) = 'integer')
) WITHOUT ROWID;
