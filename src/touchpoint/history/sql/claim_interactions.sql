-- Which of these interactions are new: only they are stored, with all that belongs to them.
INSERT INTO touchpoint.interaction_index (interaction_id, ended_at, content_hash, record_version, rules_version, dialects)
SELECT id, ended_at, hash, record, rules, string_to_array(dialects, ' ')
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::integer[], $5::integer[], $6::text[])
    AS claim (id, ended_at, hash, record, rules, dialects)
ON CONFLICT DO NOTHING
RETURNING interaction_id
