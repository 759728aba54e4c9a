-- $1 tenants, $2 resource ids, $3 names, $4 since when. The latest name stands; of two of one instant the greater.
INSERT INTO touchpoint.resource AS known (tenant, resource_id, name, seen_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
ON CONFLICT (tenant, resource_id) DO UPDATE SET name = excluded.name, seen_at = excluded.seen_at
WHERE known.name IS NULL OR (excluded.seen_at, excluded.name COLLATE "C") > (known.seen_at, known.name COLLATE "C")
