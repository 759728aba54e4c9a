-- $1 ids, $2 tenants, $3 addresses, $4 party ids, $5 since when, $6 names, $7 since when, $8 when the address was last seen.
-- Of each field the latest stands, as in upsert_parties.sql.
INSERT INTO touchpoint.party_address AS known (party_address_id, tenant, address, party_id, party_at, name, name_at, seen_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::timestamptz[], $8::timestamptz[])
ON CONFLICT (party_address_id) DO UPDATE SET
    (party_id, party_at) = (
        SELECT v.value, v.at FROM (VALUES (excluded.party_id, excluded.party_at),
                                          (known.party_id, coalesce(known.party_at, known.seen_at))) AS v (value, at)
        WHERE v.value IS NOT NULL ORDER BY v.at DESC, v.value COLLATE "C" DESC LIMIT 1),
    (name, name_at) = (
        SELECT v.value, v.at FROM (VALUES (excluded.name, excluded.name_at),
                                          (known.name, coalesce(known.name_at, known.seen_at))) AS v (value, at)
        WHERE v.value IS NOT NULL ORDER BY v.at DESC, v.value COLLATE "C" DESC LIMIT 1),
    seen_at = greatest(excluded.seen_at, known.seen_at)
