-- An identification after the close is one row, of the latest interaction that closed under the address (stitching.md 3), and
-- concerns every interaction that had closed under it. An index entry for each such row finds them; other amendments have none.

CREATE INDEX ON touchpoint.amendment ((payload ->> 'party_address_id')) WHERE kind = 'party.identified';

-- What came after the close of an interaction: its own amendments, and identifications of its party's address that are stored
-- with a later interaction (`stored_with`). An interaction with a party id closed when its address was identified already.
CREATE VIEW touchpoint.interaction_amendment AS
SELECT interaction_id, interaction_ended_at AS ended_at, interaction_id AS stored_with, seq, kind, payload, event_id, recorded_at
FROM touchpoint.amendment
UNION ALL
SELECT i.interaction_id, i.ended_at, x.interaction_id, x.seq, x.kind, x.payload, x.event_id, x.recorded_at
FROM touchpoint.interaction AS i
JOIN touchpoint.amendment AS x ON x.kind = 'party.identified' AND x.payload ->> 'party_address_id' = i.party_address_id::text
WHERE i.party_id IS NULL AND x.interaction_id <> i.interaction_id AND (x.payload ->> 'time')::timestamptz >= i.ended_at;

GRANT SELECT ON touchpoint.interaction_amendment TO touchpoint_viewer, touchpoint_admin;
