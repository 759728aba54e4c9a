SELECT r.record
FROM touchpoint.find_account_interactions($1, $2, $3, $4) AS f
JOIN touchpoint.interaction_record AS r USING (interaction_id, ended_at)
ORDER BY f.ended_at DESC, f.interaction_id
