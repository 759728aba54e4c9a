-- $1 from, $2 to, $3 length, $4 zone, $5 a queue or NULL; behind queue $6 and interval $7; $8 at most
SELECT * FROM touchpoint.viewed_queue_intervals($1, $2, $3::text::interval, $4, $5)
WHERE $6::text IS NULL OR (queue COLLATE "C", interval_start) > ($6 COLLATE "C", $7::timestamptz)
ORDER BY queue COLLATE "C", interval_start LIMIT $8
