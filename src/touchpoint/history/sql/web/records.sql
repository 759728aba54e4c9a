-- $1 ids, $2 ends
SELECT (SELECT r.record FROM touchpoint.web_record AS r WHERE r.interaction_id = p.id AND r.ended_at = p.ended)
FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS p (id, ended, place) ORDER BY p.place
