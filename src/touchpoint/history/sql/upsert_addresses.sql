-- $1 ids, $2 tenants, $3 addresses, $4 party ids, $5 since when, $6 names, $7 since when, $8 when the address was last seen.
-- Of each field the latest stands, as in upsert_parties.sql.
INSERT INTO touchpoint.party_address AS known (party_address_id, tenant, address, party_id, party_at, name, name_at, seen_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::timestamptz[], $8::timestamptz[])
ON CONFLICT (party_address_id) DO UPDATE SET
    party_id = CASE WHEN known.party_id IS NULL OR (excluded.party_id IS NOT NULL AND
                       (excluded.party_at, excluded.party_id COLLATE "C") > (coalesce(known.party_at, known.seen_at), known.party_id COLLATE "C"))
                  THEN excluded.party_id ELSE known.party_id END,
    party_at = CASE WHEN known.party_id IS NULL OR (excluded.party_id IS NOT NULL AND
                       (excluded.party_at, excluded.party_id COLLATE "C") > (coalesce(known.party_at, known.seen_at), known.party_id COLLATE "C"))
                  THEN excluded.party_at ELSE coalesce(known.party_at, known.seen_at) END,
    name = CASE WHEN known.name IS NULL OR (excluded.name IS NOT NULL AND
                       (excluded.name_at, excluded.name COLLATE "C") > (coalesce(known.name_at, known.seen_at), known.name COLLATE "C"))
                  THEN excluded.name ELSE known.name END,
    name_at = CASE WHEN known.name IS NULL OR (excluded.name IS NOT NULL AND
                       (excluded.name_at, excluded.name COLLATE "C") > (coalesce(known.name_at, known.seen_at), known.name COLLATE "C"))
                  THEN excluded.name_at ELSE coalesce(known.name_at, known.seen_at) END,
    seen_at = greatest(excluded.seen_at, known.seen_at)
