-- The counters: they share no key with the ledger, and no row has two dimensions.

CREATE TABLE counts (
    site      TEXT COLLATE "C" NOT NULL,
    day       INTEGER NOT NULL,
    dimension TEXT COLLATE "C" NOT NULL,
    value     TEXT COLLATE "C" NOT NULL,
    outcome   TEXT COLLATE "C" NOT NULL,
    total     BIGINT NOT NULL,
    PRIMARY KEY (site, day, dimension, value, outcome)
);

CREATE TABLE figures (
    site      TEXT COLLATE "C" NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    first_day INTEGER NOT NULL,
    last_day  INTEGER NOT NULL,
    cells     TEXT NOT NULL,  -- JSON array of [value, outcome, number]
    PRIMARY KEY (site, name, first_day)
);
