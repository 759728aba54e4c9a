-- $1 from, $2 to, $3 length, $4 zone, $5 an agent or NULL; behind agent $6, interval $7 and bot $8; $9 at most
SELECT * FROM touchpoint.viewed_agent_intervals($1, $2, $3::text::interval, $4, $5)
WHERE $6::text IS NULL OR (resource_id COLLATE "C", interval_start, bot) > ($6 COLLATE "C", $7::timestamptz, $8::boolean)
ORDER BY resource_id COLLATE "C", interval_start, bot LIMIT $9
