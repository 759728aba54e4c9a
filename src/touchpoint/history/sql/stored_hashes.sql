SELECT interaction_id, content_hash, record_version, rules_version, dialects
FROM touchpoint.interaction_index WHERE interaction_id = ANY ($1::uuid[])
