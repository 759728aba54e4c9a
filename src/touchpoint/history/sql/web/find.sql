SELECT interaction_id, ended_at FROM touchpoint.find_viewed($1)
