-- Version 1 of the item store. `user_version` counts the versions applied; `application_id` says whose file it is.

CREATE TABLE meta (
    -- Grows by one with every page written: the order of writes.
    sequence INTEGER NOT NULL
) STRICT;
INSERT INTO meta (sequence) VALUES (0);

CREATE TABLE crawls (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE types (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- How many items of this type are stored, kept in the same transactions as the items.
    items INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE fields (
    type INTEGER NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (type, position)
) STRICT, WITHOUT ROWID;

-- What each page of each crawl said last, also when it said that it has no items.
CREATE TABLE pages (
    id INTEGER PRIMARY KEY,
    crawl INTEGER NOT NULL,
    url TEXT NOT NULL,
    run INTEGER NOT NULL,
    version INTEGER NOT NULL,
    written INTEGER NOT NULL,
    fetched_at_ms INTEGER NOT NULL,
    spider TEXT,
    UNIQUE (crawl, url)
) STRICT;

-- One row per identity, with the contents that the newest of its pages gave. A url of NULL is the page's own.
CREATE TABLE items (
    item INTEGER PRIMARY KEY,
    type INTEGER NOT NULL,
    id TEXT NOT NULL,
    page INTEGER NOT NULL,
    since INTEGER NOT NULL,
    rivals INTEGER NOT NULL DEFAULT 0,
    url TEXT,
    payload TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX items_identity ON items (type, id);
CREATE INDEX items_page ON items (page);

-- What further pages say about an identity: empty unless pages collide.
CREATE TABLE rivals (
    item INTEGER NOT NULL,
    page INTEGER NOT NULL,
    since INTEGER NOT NULL,
    url TEXT,
    payload TEXT NOT NULL,
    PRIMARY KEY (item, page)
) STRICT, WITHOUT ROWID;
CREATE INDEX rivals_page ON rivals (page);

-- For people with a SQLite shell.
CREATE VIEW items_with_source AS
SELECT
    types.name AS type,
    items.id AS id,
    coalesce(items.url, pages.url) AS url,
    items.payload AS payload,
    crawls.name AS crawl,
    pages.url AS page,
    pages.fetched_at_ms AS fetched_at_ms,
    pages.version AS version,
    pages.spider AS spider
FROM items
JOIN types ON types.id = items.type
JOIN pages ON pages.id = items.page
JOIN crawls ON crawls.id = pages.crawl;
