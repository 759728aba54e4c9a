-- Which members the record of an interaction may have: its version. NULL: 1, of what was written before records said it.
-- In the index over all months too, which alone the writer may read.

ALTER TABLE touchpoint.interaction ADD COLUMN record_version integer;
ALTER TABLE touchpoint.interaction_index ADD COLUMN record_version integer;
