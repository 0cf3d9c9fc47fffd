-- What the pages of a site contain: third parties, cookies, and the services that were held, which visitors are asked
-- about. No row is about a visitor. What older versions kept among the counters is taken over by the running site.

CREATE TABLE observed (
    site      TEXT COLLATE "C" NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,  -- a domain, = and a cookie, or nothing for a service as such
    kind      TEXT COLLATE "C" NOT NULL,
    service   TEXT COLLATE "C" NOT NULL,
    held      INTEGER NOT NULL CHECK (held IN (0, 1)),
    first_day INTEGER NOT NULL,
    last_day  INTEGER NOT NULL,
    pages     BIGINT NOT NULL,
    place     TEXT NOT NULL,
    PRIMARY KEY (site, name, kind, service, held)
);

INSERT INTO observed SELECT site, '', 'code', service, 1, day, day, 0, '' FROM learned;

DROP TABLE learned;
