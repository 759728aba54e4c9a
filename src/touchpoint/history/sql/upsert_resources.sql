INSERT INTO touchpoint.resource AS known (tenant, resource_id, name, seen_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
ON CONFLICT (tenant, resource_id) DO UPDATE SET
    name = CASE WHEN excluded.seen_at >= known.seen_at THEN excluded.name ELSE known.name END,
    seen_at = greatest(excluded.seen_at, known.seen_at)
WHERE excluded.name IS DISTINCT FROM known.name
