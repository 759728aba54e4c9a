SELECT r.record
FROM touchpoint.find_interaction($1, $2) AS f
JOIN touchpoint.interaction_record AS r USING (interaction_id, ended_at)
