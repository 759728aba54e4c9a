-- $1 the filter. OFFSET 0: as in lines.sql.
SELECT h.* FROM touchpoint.search_interactions($1) AS s CROSS JOIN LATERAL (
    SELECT * FROM touchpoint.web_interaction AS w WHERE w.interaction_id = s.interaction_id AND w.ended_at = s.ended_at OFFSET 0) AS h
