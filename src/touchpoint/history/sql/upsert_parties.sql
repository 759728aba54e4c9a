-- $1 tenants, $2 party ids, $3 accounts, $4 since when, $5 names, $6 since when, $7 when the party was last seen.
-- Of each field the latest stands, whatever the order of storing; of two of one instant the greater.
INSERT INTO touchpoint.party AS known (tenant, party_id, account_id, account_at, name, name_at, seen_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[], $7::timestamptz[])
ON CONFLICT (tenant, party_id) DO UPDATE SET
    account_id = CASE WHEN known.account_id IS NULL OR (excluded.account_id IS NOT NULL AND
                       (excluded.account_at, excluded.account_id COLLATE "C") > (coalesce(known.account_at, known.seen_at), known.account_id COLLATE "C"))
                  THEN excluded.account_id ELSE known.account_id END,
    account_at = CASE WHEN known.account_id IS NULL OR (excluded.account_id IS NOT NULL AND
                       (excluded.account_at, excluded.account_id COLLATE "C") > (coalesce(known.account_at, known.seen_at), known.account_id COLLATE "C"))
                  THEN excluded.account_at ELSE coalesce(known.account_at, known.seen_at) END,
    name = CASE WHEN known.name IS NULL OR (excluded.name IS NOT NULL AND
                       (excluded.name_at, excluded.name COLLATE "C") > (coalesce(known.name_at, known.seen_at), known.name COLLATE "C"))
                  THEN excluded.name ELSE known.name END,
    name_at = CASE WHEN known.name IS NULL OR (excluded.name IS NOT NULL AND
                       (excluded.name_at, excluded.name COLLATE "C") > (coalesce(known.name_at, known.seen_at), known.name COLLATE "C"))
                  THEN excluded.name_at ELSE coalesce(known.name_at, known.seen_at) END,
    seen_at = greatest(excluded.seen_at, known.seen_at)
