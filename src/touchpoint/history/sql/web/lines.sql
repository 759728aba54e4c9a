-- $1 ids, $2 ends. OFFSET 0 keeps the conditions within the subquery: joined to the view, they would be looked at after all its rows.
SELECT h.* FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS p (id, ended, place)
CROSS JOIN LATERAL (
    SELECT * FROM touchpoint.web_interaction AS w WHERE w.interaction_id = p.id AND w.ended_at = p.ended OFFSET 0) AS h
ORDER BY p.place
