-- Version 3: what has changed in items, if that is kept. An item's changes outlive its row.

CREATE TABLE history (
    type INTEGER NOT NULL,
    id TEXT NOT NULL,
    -- From 1 for each item.
    number INTEGER NOT NULL,
    -- JSON: kind, time, crawl, page, fields with before and after.
    change TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX history_number ON history (type, id, number);

-- For people with a SQLite shell.
CREATE VIEW history_with_type AS
SELECT
    types.name AS type,
    history.id AS id,
    history.number AS number,
    history.change ->> '$.kind' AS kind,
    history.change ->> '$.at_ms' AS at_ms,
    history.change -> '$.fields' AS fields
FROM history
JOIN types ON types.id = history.type;
