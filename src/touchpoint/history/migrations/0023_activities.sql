-- What was done in an interaction, in one order: its business activities, and the handling of its media items, derived from segments.
CREATE VIEW touchpoint.interaction_activity AS
WITH handling AS (
    SELECT s.interaction_id, s.interaction_ended_at, s.media_item_id, s.segment_id, m.tenant, m.channel, s.provenance, s.queue, m.pages,
           d.activity, d.resource_id, d.to_resource_id, d.started_at, d.ended_at, s.end_reason
    FROM touchpoint.segment AS s
    JOIN touchpoint.media_item AS m ON m.interaction_id = s.interaction_id AND m.media_item_id = s.media_item_id
         AND m.interaction_ended_at = s.interaction_ended_at
    CROSS JOIN LATERAL (
        SELECT 'transferred to', s.transferred_from, s.resource_id, s.started_at, s.started_at
        WHERE s.transferred_from IS NOT NULL AND s.type IN ('with_agent', 'queue')
        UNION ALL
        SELECT CASE WHEN s.conference THEN 'conferenced' WHEN m.direction = 'outbound' THEN 'connected' ELSE 'answered' END,
               s.resource_id, NULL, s.started_at, s.ended_at
        WHERE s.type = 'with_agent'
        UNION ALL
        SELECT CASE WHEN s.end_reason = 'forwarded' THEN 'email forwarded' ELSE 'email sent' END, s.resource_id, NULL, s.ended_at, s.ended_at
        WHERE m.channel = 'email' AND (s.type, s.end_reason) IN (('with_agent', 'replied'), ('with_agent', 'sent'), ('drafting', 'forwarded'))
        UNION ALL
        SELECT CASE WHEN s.end_reason IS DISTINCT FROM 'ok' THEN 'fax attempted' WHEN m.direction = 'inbound' THEN 'fax received'
               ELSE 'fax sent' END, s.resource_id, NULL, s.started_at, s.ended_at
        WHERE s.type = 'transmission'
        UNION ALL
        SELECT words, s.resource_id, NULL, s.started_at, s.ended_at
        FROM (VALUES ('hold', 'put on hold'), ('consult', 'consulted'), ('monitor', 'monitored'), ('wrap_up', 'wrapped up'),
                     ('voicemail', 'voicemail left')) AS w (type, words) WHERE w.type = s.type
    ) AS d (activity, resource_id, to_resource_id, started_at, ended_at)
    UNION ALL  -- who sends a mail without having been connected is told by no segment
    SELECT m.interaction_id, m.interaction_ended_at, m.media_item_id, NULL, m.tenant, m.channel, 'derived', NULL, m.pages, 'email sent',
           CASE WHEN sender.agents = 1 THEN sender.resource_id END, NULL, m.ended_at, m.ended_at, m.end_reason
    FROM touchpoint.media_item AS m
    CROSS JOIN LATERAL (
        SELECT count(*) AS agents, min(r.resource_id) AS resource_id FROM touchpoint.interaction_resource AS r
        WHERE r.interaction_id = m.interaction_id AND r.interaction_ended_at = m.interaction_ended_at) AS sender
    WHERE m.channel = 'email' AND m.end_reason IN ('sent', 'replied') AND NOT EXISTS (
        SELECT FROM touchpoint.segment AS s WHERE s.interaction_id = m.interaction_id AND s.interaction_ended_at = m.interaction_ended_at
          AND s.media_item_id = m.media_item_id AND s.type = 'with_agent' AND s.end_reason IN ('sent', 'replied'))
), done AS (
    SELECT i.tenant, v.interaction_id, v.interaction_ended_at, v.started_at, v.ended_at, 'business' AS kind, coalesce(v.action, 'activity') AS activity,
           v.resource_id, NULL AS to_resource_id, NULL AS queue, v.media_item_id, m.channel, v.outcome, v.result, v.reason,
           'observed' AS provenance, v.activity_id, NULL::uuid AS segment_id
    FROM touchpoint.activity AS v
    JOIN touchpoint.interaction AS i ON i.interaction_id = v.interaction_id AND i.ended_at = v.interaction_ended_at
    LEFT JOIN touchpoint.media_item AS m ON m.interaction_id = v.interaction_id AND m.media_item_id = v.media_item_id
         AND m.interaction_ended_at = v.interaction_ended_at
    UNION ALL
    SELECT h.tenant, h.interaction_id, h.interaction_ended_at, h.started_at, h.ended_at, 'media', h.activity, h.resource_id, h.to_resource_id,
           h.queue, h.media_item_id, h.channel, h.end_reason, CASE WHEN h.activity LIKE 'fax%' THEN h.pages || ' pages' END, NULL,
           h.provenance, NULL, h.segment_id
    FROM handling AS h
)
SELECT d.tenant, d.interaction_id, d.interaction_ended_at,
       row_number() OVER (PARTITION BY d.interaction_id, d.interaction_ended_at
           ORDER BY d.started_at, d.kind, d.ended_at DESC, d.activity, d.media_item_id, d.segment_id, d.activity_id)::integer AS position,
       d.started_at, d.ended_at, round(extract(epoch FROM d.ended_at - d.started_at) * 1000)::bigint AS duration_ms,
       d.kind, d.activity, d.resource_id, r.name AS resource_name, d.to_resource_id, d.queue, d.media_item_id, d.channel,
       d.outcome, d.result, d.reason, d.provenance, d.activity_id, d.segment_id
FROM done AS d LEFT JOIN touchpoint.resource AS r ON r.tenant = d.tenant AND r.resource_id = d.resource_id;

-- The interactions of an account, newest first: what closed under it, and those of its parties as known now.
CREATE FUNCTION touchpoint.find_account_interactions(of_tenant text, of_account text, since timestamptz, at_most integer)
RETURNS TABLE (interaction_id uuid, ended_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT i.interaction_id, i.ended_at FROM touchpoint.interaction AS i
    WHERE i.tenant = of_tenant AND i.account_id = of_account AND i.ended_at >= coalesce(since, '-infinity')
    UNION
    SELECT i.interaction_id, i.ended_at FROM touchpoint.interaction AS i
    WHERE i.tenant = of_tenant AND i.ended_at >= coalesce(since, '-infinity') AND i.party_id IN (
        SELECT p.party_id FROM touchpoint.party AS p WHERE p.tenant = of_tenant AND p.account_id = of_account)
    ORDER BY ended_at DESC, interaction_id LIMIT at_most
$$;

-- The interactions about a business object, newest first.
CREATE FUNCTION touchpoint.find_object_interactions(of_tenant text, of_type text, of_id text, since timestamptz, at_most integer)
RETURNS TABLE (interaction_id uuid, ended_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT i.interaction_id, i.ended_at FROM touchpoint.interaction_object AS o
    JOIN touchpoint.interaction AS i ON i.interaction_id = o.interaction_id AND i.ended_at = o.interaction_ended_at
    WHERE o.object_type = of_type AND o.object_id = of_id AND i.tenant = of_tenant AND i.ended_at >= coalesce(since, '-infinity')
    ORDER BY i.ended_at DESC, i.interaction_id LIMIT at_most
$$;

REVOKE EXECUTE ON FUNCTION touchpoint.find_account_interactions(text, text, timestamptz, integer),
    touchpoint.find_object_interactions(text, text, text, timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touchpoint.find_account_interactions(text, text, timestamptz, integer),
    touchpoint.find_object_interactions(text, text, text, timestamptz, integer) TO touchpoint_viewer, touchpoint_admin;
GRANT SELECT ON touchpoint.interaction_activity TO touchpoint_viewer, touchpoint_admin;

COMMENT ON VIEW touchpoint.interaction_activity IS 'What was done in an interaction, in one order: its business activities, and the handling of its media items.';
COMMENT ON COLUMN touchpoint.interaction_activity.tenant IS 'the tenant';
COMMENT ON COLUMN touchpoint.interaction_activity.interaction_id IS 'the interaction';
COMMENT ON COLUMN touchpoint.interaction_activity.interaction_ended_at IS 'end of the interaction, by which tables are cut into months';
COMMENT ON COLUMN touchpoint.interaction_activity.position IS 'place in the interaction, from 1, by time';
COMMENT ON COLUMN touchpoint.interaction_activity.started_at IS 'when it began';
COMMENT ON COLUMN touchpoint.interaction_activity.ended_at IS 'when it ended; what has no length ends as it begins';
COMMENT ON COLUMN touchpoint.interaction_activity.duration_ms IS 'how long it took';
COMMENT ON COLUMN touchpoint.interaction_activity.kind IS '`business`: an activity that was told; `media`: the handling of a media item, derived from its segments';
COMMENT ON COLUMN touchpoint.interaction_activity.activity IS 'action of a business activity; else `answered`, `connected`, `conferenced`, `transferred to`, `put on hold`, `consulted`, `monitored`, `wrapped up`, `email sent`, `email forwarded`, `fax sent`, `fax received`, `fax attempted` or `voicemail left`';
COMMENT ON COLUMN touchpoint.interaction_activity.resource_id IS 'the agent who did it; of a mail sent by somebody who was not connected the only agent of the interaction, else NULL';
COMMENT ON COLUMN touchpoint.interaction_activity.resource_name IS 'name of the agent';
COMMENT ON COLUMN touchpoint.interaction_activity.to_resource_id IS 'the agent whom it was transferred to';
COMMENT ON COLUMN touchpoint.interaction_activity.queue IS 'the queue that it was transferred to';
COMMENT ON COLUMN touchpoint.interaction_activity.media_item_id IS 'the media item, if it was in one';
COMMENT ON COLUMN touchpoint.interaction_activity.channel IS 'channel of the media item';
COMMENT ON COLUMN touchpoint.interaction_activity.outcome IS 'outcome of a business activity; of handling why it ended';
COMMENT ON COLUMN touchpoint.interaction_activity.result IS 'result of a business activity; pages of a fax';
COMMENT ON COLUMN touchpoint.interaction_activity.reason IS 'reason of a business activity';
COMMENT ON COLUMN touchpoint.interaction_activity.provenance IS '`observed`, `derived`, `aggregate` or `inferred`';
COMMENT ON COLUMN touchpoint.interaction_activity.activity_id IS 'id of the business activity';
COMMENT ON COLUMN touchpoint.interaction_activity.segment_id IS 'the segment that says so';
