-- $1 tenants, $2 party ids, $3 accounts, $4 since when, $5 names, $6 since when, $7 when the party was last seen.
-- Of each field the latest stands, whatever the order of storing; of two of one instant the greater.
INSERT INTO touchpoint.party AS known (tenant, party_id, account_id, account_at, name, name_at, seen_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[], $7::timestamptz[])
ON CONFLICT (tenant, party_id) DO UPDATE SET
    (account_id, account_at) = (
        SELECT v.value, v.at FROM (VALUES (excluded.account_id, excluded.account_at),
                                          (known.account_id, coalesce(known.account_at, known.seen_at))) AS v (value, at)
        WHERE v.value IS NOT NULL ORDER BY v.at DESC, v.value COLLATE "C" DESC LIMIT 1),
    (name, name_at) = (
        SELECT v.value, v.at FROM (VALUES (excluded.name, excluded.name_at),
                                          (known.name, coalesce(known.name_at, known.seen_at))) AS v (value, at)
        WHERE v.value IS NOT NULL ORDER BY v.at DESC, v.value COLLATE "C" DESC LIMIT 1),
    seen_at = greatest(excluded.seen_at, known.seen_at)
