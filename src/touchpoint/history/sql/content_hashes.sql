-- $1 started then or later, $2 ended before that; NULL: any
SELECT interaction_id::text, content_hash, record_version FROM touchpoint.interaction
WHERE ($1::timestamptz IS NULL OR started_at >= $1) AND ($2::timestamptz IS NULL OR ended_at < $2)
