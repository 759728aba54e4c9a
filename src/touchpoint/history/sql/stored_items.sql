-- The media items and activities of interactions; $1 interaction ids
SELECT i.tenant, m.media_item_id AS id FROM touchpoint.media_item AS m
JOIN touchpoint.interaction AS i ON i.interaction_id = m.interaction_id AND i.ended_at = m.interaction_ended_at
WHERE m.interaction_id = ANY ($1::uuid[])
UNION ALL
SELECT i.tenant, a.activity_id FROM touchpoint.activity AS a
JOIN touchpoint.interaction AS i ON i.interaction_id = a.interaction_id AND i.ended_at = a.interaction_ended_at
WHERE a.interaction_id = ANY ($1::uuid[])
