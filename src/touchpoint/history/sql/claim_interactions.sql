-- Which of these interactions are new: only they are stored, with all that belongs to them.
INSERT INTO touchpoint.interaction_index (interaction_id, ended_at, content_hash)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[])
ON CONFLICT DO NOTHING
RETURNING interaction_id
