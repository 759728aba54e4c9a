-- $1 interaction ids
SELECT interaction_id::text, rules_version, dialects FROM touchpoint.interaction_index WHERE interaction_id = ANY ($1::uuid[])
