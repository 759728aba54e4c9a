INSERT INTO touchpoint.party_address AS known (party_address_id, tenant, address, party_id, name, seen_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
ON CONFLICT (party_address_id) DO UPDATE SET
    party_id = CASE WHEN excluded.seen_at >= known.seen_at THEN coalesce(excluded.party_id, known.party_id)
                    ELSE coalesce(known.party_id, excluded.party_id) END,
    name = CASE WHEN excluded.seen_at >= known.seen_at THEN coalesce(excluded.name, known.name)
                ELSE coalesce(known.name, excluded.name) END,
    seen_at = greatest(excluded.seen_at, known.seen_at)
WHERE (coalesce(excluded.party_id, known.party_id), coalesce(excluded.name, known.name))
      IS DISTINCT FROM (known.party_id, known.name)
