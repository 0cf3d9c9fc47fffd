-- The ledger, its seals, the notices, and the services that a site without a configuration has seen; of several sites.
--
-- No column holds a time finer than a day, and none says anything of a device or a person. A table of PostgreSQL has an
-- order on the disk; sealing writes each row of the ledger anew, in the order of its seal, so that the order in which
-- people came is gone with the next vacuum, which comes soon here. Texts compare by code point, as elsewhere.

CREATE TABLE ledger (
    site     TEXT COLLATE "C" NOT NULL,
    receipt  TEXT COLLATE "C" NOT NULL CHECK (receipt <> ''),
    step     INTEGER NOT NULL CHECK (step IN (0, 1)),  -- 0 for what begins a receipt, 1 for what ends it
    act      TEXT NOT NULL CHECK (act IN ('accept', 'partial', 'withdraw', 'replace', 'erase')),
    day      INTEGER NOT NULL,
    revision TEXT NOT NULL,
    purposes TEXT NOT NULL,  -- JSON arrays of ids, sorted
    services TEXT NOT NULL,
    gpc      INTEGER NOT NULL CHECK (gpc IN (0, 1)),
    language TEXT NOT NULL,
    notice   TEXT NOT NULL,
    about    TEXT NOT NULL,
    seal     INTEGER,  -- where it was sealed
    place    INTEGER,
    PRIMARY KEY (site, receipt, step)
) WITH (autovacuum_vacuum_scale_factor = 0.01);

CREATE INDEX ledger_waiting ON ledger (site) WHERE seal IS NULL;
CREATE INDEX ledger_sealed ON ledger (site, seal, place) WHERE seal IS NOT NULL;

CREATE TABLE seals (
    site      TEXT COLLATE "C" NOT NULL,
    number    INTEGER NOT NULL,
    day       INTEGER NOT NULL,
    size      INTEGER NOT NULL,
    root      BYTEA NOT NULL,
    previous  BYTEA NOT NULL,
    signature TEXT NOT NULL,
    leaves    BYTEA,  -- one after the other; NULL once retention has taken the entries away
    PRIMARY KEY (site, number)
);

CREATE TABLE notices (
    site     TEXT COLLATE "C" NOT NULL,
    digest   TEXT COLLATE "C" NOT NULL,
    document BYTEA NOT NULL,  -- compressed by zlib
    PRIMARY KEY (site, digest)
);

CREATE TABLE learned (
    site    TEXT COLLATE "C" NOT NULL,
    service TEXT COLLATE "C" NOT NULL,
    day     INTEGER NOT NULL,
    PRIMARY KEY (site, service)
);
