SELECT interaction_id, content_hash FROM touchpoint.interaction_index WHERE interaction_id = ANY ($1::uuid[])
