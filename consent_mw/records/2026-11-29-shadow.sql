-- What would be held on a site that is watched and not changed yet: pages by their pattern, and no visitor.
CREATE TABLE shadow_page (
    site TEXT NOT NULL,
    page TEXT NOT NULL,
    views INTEGER NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (site, page)
) WITHOUT ROWID;

CREATE TABLE shadow_change (
    site TEXT NOT NULL,
    page TEXT NOT NULL,
    verb TEXT NOT NULL,
    services TEXT NOT NULL,
    what TEXT NOT NULL,
    line INTEGER NOT NULL,
    views INTEGER NOT NULL,
    PRIMARY KEY (site, page, verb, services, what)
) WITHOUT ROWID;
