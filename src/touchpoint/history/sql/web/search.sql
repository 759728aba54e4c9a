SELECT interaction_id, ended_at FROM touchpoint.search_interactions($1, $2, $3, $4)
