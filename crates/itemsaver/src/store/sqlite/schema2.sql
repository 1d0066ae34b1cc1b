-- Version 2: items are found by their words and numbers. What changes is noted in the same transaction and indexed later.

CREATE VIRTUAL TABLE search USING fts5 (words, fielded, content='', contentless_delete=1, tokenize='ascii');

CREATE TABLE numbers (
    item INTEGER NOT NULL,
    -- The digits of the field's key.
    field INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (item, field, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX numbers_value ON numbers (field, value, item);

-- Items that are otherwise than the index says.
CREATE TABLE unindexed (
    item INTEGER PRIMARY KEY
) STRICT;
INSERT INTO unindexed (item) SELECT item FROM items;

CREATE TRIGGER item_created AFTER INSERT ON items BEGIN
    INSERT OR IGNORE INTO unindexed (item) VALUES (new.item);
END;
CREATE TRIGGER item_changed AFTER UPDATE OF page, url, payload ON items
WHEN old.payload IS NOT new.payload OR old.url IS NOT new.url OR old.page IS NOT new.page BEGIN
    INSERT OR IGNORE INTO unindexed (item) VALUES (new.item);
END;
CREATE TRIGGER item_removed AFTER DELETE ON items BEGIN
    INSERT OR IGNORE INTO unindexed (item) VALUES (old.item);
END;
