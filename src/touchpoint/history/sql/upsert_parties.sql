-- Newer knowledge replaces older; what was not known before is filled in whenever it comes.
INSERT INTO touchpoint.party AS known (tenant, party_id, account_id, name, seen_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
ON CONFLICT (tenant, party_id) DO UPDATE SET
    account_id = CASE WHEN excluded.seen_at >= known.seen_at THEN coalesce(excluded.account_id, known.account_id)
                      ELSE coalesce(known.account_id, excluded.account_id) END,
    name = CASE WHEN excluded.seen_at >= known.seen_at THEN coalesce(excluded.name, known.name)
                ELSE coalesce(known.name, excluded.name) END,
    seen_at = greatest(excluded.seen_at, known.seen_at)
WHERE (coalesce(excluded.account_id, known.account_id), coalesce(excluded.name, known.name))
      IS DISTINCT FROM (known.account_id, known.name)
