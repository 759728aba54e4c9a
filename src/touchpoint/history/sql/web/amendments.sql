-- $1 ids, $2 ends. OFFSET 0: as in lines.sql.
SELECT a.* FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS p (id, ended, place)
CROSS JOIN LATERAL (
    SELECT * FROM touchpoint.web_amendment AS w WHERE w.interaction_id = p.id AND w.ended_at = p.ended OFFSET 0) AS a
ORDER BY p.place, a.seq, a.event_id
