INSERT INTO touchpoint.amendment (interaction_id, interaction_ended_at, seq, kind, payload, event_id)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::integer[], $4::text[], $5::jsonb[], $6::text[])
ON CONFLICT (interaction_id, event_id, interaction_ended_at) DO NOTHING
RETURNING 1
