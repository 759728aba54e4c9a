SELECT * FROM touchpoint.queue_interval
WHERE offered > 0 AND ($1::text IS NULL OR tenant = $1) AND interval_start >= coalesce($2::timestamptz, '-infinity')
ORDER BY tenant, queue, interval_start
