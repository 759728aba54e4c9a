-- A list may ask for abandonment by class, and the strip of a year's contacts reads no more than it draws.

-- The interactions of the context that `filter` asks for, newest end first, behind (`after_end`, `after_id`) in that order, at most
-- so many (NULL: all). Members of `filter`: party (a list that `resolve_party` takes), account, object_type and object_id, from and
-- to (of the end), channel, direction, queue (waited in), resource (an agent in it), outcome, campaign, parent, flag, min_duration
-- (ms); with a queue, wait_from and wait_to (the wait in it began then) and wait_outcome (answered, abandoned or by class
-- abandoned_in_queue and abandoned_while_ringing, other); with a resource,
-- work_from and work_to (the agent was connected or in wrap-up then). The text of the query is put together from what stands here alone; every value is a parameter.
CREATE OR REPLACE FUNCTION touchpoint.search_interactions(
    filter jsonb, after_end timestamptz DEFAULT NULL, after_id uuid DEFAULT NULL, at_most integer DEFAULT NULL
) RETURNS TABLE (interaction_id uuid, ended_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v        touchpoint.view_context := touchpoint.viewing();
    who      record;
    parties  text[];  -- of the account
    since    timestamptz := filter ->> 'from';
    until    timestamptz := filter ->> 'to';
    ringing  text := 'EXISTS (SELECT FROM touchpoint.media_item AS r WHERE r.interaction_id = x.interaction_id
                          AND r.interaction_ended_at = x.interaction_ended_at AND r.media_item_id = x.media_item_id
                          AND r.abandoned = ''while_ringing'')';
    wait     text := 'x.type = ''queue'' AND x.queue = $2 ->> ''queue'''
                     || CASE WHEN filter ? 'wait_from' THEN ' AND x.started_at >= $14' ELSE '' END
                     || CASE WHEN filter ? 'wait_to' THEN ' AND x.started_at < $15' ELSE '' END
                     || CASE filter ->> 'wait_outcome' WHEN 'answered' THEN ' AND x.end_reason = ''answered'''
                        WHEN 'abandoned' THEN ' AND x.end_reason = ''abandoned'''
                        WHEN 'abandoned_in_queue' THEN ' AND x.end_reason = ''abandoned'' AND NOT ' || ringing
                        WHEN 'abandoned_while_ringing' THEN ' AND x.end_reason = ''abandoned'' AND ' || ringing
                        WHEN 'other' THEN ' AND x.end_reason IS DISTINCT FROM ''answered'' AND x.end_reason IS DISTINCT FROM ''abandoned'''
                        ELSE '' END;
    work     text := 'x.track = $2 ->> ''resource'' AND x.type IN (''with_agent'', ''wrap_up'')'
                     || CASE WHEN filter ? 'work_from' THEN ' AND x.ended_at > $16' ELSE '' END
                     || CASE WHEN filter ? 'work_to' THEN ' AND x.started_at < $17' ELSE '' END;
    sources  text[] := ARRAY['touchpoint.interaction AS i WHERE'];
    wanted   text := 'i.tenant = $1';
    joined   text := 'x.interaction_id = i.interaction_id AND x.interaction_ended_at = i.ended_at AND'
                     || CASE WHEN filter ? 'from' THEN ' x.interaction_ended_at >= $12 AND' ELSE '' END  -- so that only these months
                     || CASE WHEN filter ? 'to' THEN ' x.interaction_ended_at < $13 AND' ELSE '' END;    -- are read of x too
BEGIN
    IF v IS NULL OR v.role NOT IN ('reader', 'agent', 'supervisor') THEN
        RETURN;
    END IF;
    SELECT r.party_keys, r.party_ids, r.address_ids INTO who FROM touchpoint.resolve_party(v.tenant,
        ARRAY(SELECT jsonb_array_elements_text(filter -> 'party')), v.role IN ('agent', 'supervisor')) AS r;
    parties := ARRAY(SELECT p.party_id FROM touchpoint.party AS p WHERE p.tenant = v.tenant AND p.account_id = filter ->> 'account');
    IF filter ? 'party' THEN
        sources := ARRAY['touchpoint.interaction AS i WHERE i.party_key = ANY ($3) AND',
            'touchpoint.interaction AS i WHERE i.party_id = ANY ($4) AND',
            'touchpoint.interaction AS i WHERE i.party_address_id = ANY ($5) AND',
            'touchpoint.media_item AS o JOIN touchpoint.interaction AS i ON i.interaction_id = o.interaction_id
                 AND i.ended_at = o.interaction_ended_at WHERE o.party_address_id = ANY ($5) AND'];
    ELSIF filter ? 'account' THEN
        sources := ARRAY['touchpoint.interaction AS i WHERE i.account_id = $2 ->> ''account'' AND',
                         'touchpoint.interaction AS i WHERE i.party_id = ANY ($6) AND'];
    ELSIF filter ? 'object_id' THEN
        sources := ARRAY['(SELECT DISTINCT o.interaction_id, o.interaction_ended_at FROM touchpoint.interaction_object AS o
            WHERE o.object_type = $2 ->> ''object_type'' AND o.object_id = $2 ->> ''object_id'') AS o
            JOIN touchpoint.interaction AS i ON i.interaction_id = o.interaction_id AND i.ended_at = o.interaction_ended_at WHERE'];
    ELSIF filter ? 'queue' AND filter ? 'wait_from' THEN
        sources := ARRAY['(SELECT DISTINCT x.interaction_id, x.interaction_ended_at FROM touchpoint.segment AS x
            WHERE x.interaction_ended_at >= $14 AND ' || wait || ') AS o
            JOIN touchpoint.interaction AS i ON i.interaction_id = o.interaction_id AND i.ended_at = o.interaction_ended_at WHERE'];
    ELSIF filter ? 'resource' AND filter ? 'work_from' THEN
        sources := ARRAY['(SELECT DISTINCT x.interaction_id, x.interaction_ended_at FROM touchpoint.segment AS x
            WHERE x.interaction_ended_at >= $16 AND ' || work || ') AS o
            JOIN touchpoint.interaction AS i ON i.interaction_id = o.interaction_id AND i.ended_at = o.interaction_ended_at WHERE'];
    ELSIF filter ? 'flag' THEN
        sources := ARRAY['touchpoint.interaction AS i WHERE i.flags <> ''{}'' AND i.flags @> ARRAY[$2 ->> ''flag''] AND',
            'touchpoint.media_item AS o JOIN touchpoint.interaction AS i ON i.interaction_id = o.interaction_id
                 AND i.ended_at = o.interaction_ended_at WHERE o.flags <> ''{}'' AND o.flags @> ARRAY[$2 ->> ''flag''] AND'];
    END IF;
    wanted := wanted || (SELECT coalesce(string_agg(format(' AND ' || c.condition, joined), ''), '') FROM (VALUES
        (after_end IS NOT NULL, '(i.ended_at, i.interaction_id) < ($7, $8) AND i.ended_at <= $7'),
        (v.queues IS NOT NULL, 'touchpoint.in_view(i.interaction_id, i.ended_at, $9, $10)'),
        (filter ? 'from', 'i.ended_at >= $12'),
        (filter ? 'to', 'i.ended_at < $13'),
        (filter ? 'account', '(i.account_id = $2 ->> ''account'' OR i.party_id = ANY ($6))'),
        (filter ? 'channel', '$2 ->> ''channel'' = ANY (i.channels)'),
        (filter ? 'direction', 'i.direction = $2 ->> ''direction'''),
        (filter ? 'outcome', 'i.outcome = $2 ->> ''outcome'''),
        (filter ? 'campaign', 'i.campaign = $2 ->> ''campaign'''),
        (filter ? 'parent', 'i.parent_interaction_id = ($2 ->> ''parent'')::uuid'),
        (filter ? 'min_duration', 'i.duration_ms >= ($2 ->> ''min_duration'')::bigint'),
        (filter ? 'wait_from', 'i.ended_at >= $14'),  -- no interaction ends before its wait begins
        (filter ? 'work_from', 'i.ended_at >= $16'),
        (filter ? 'queue', 'EXISTS (SELECT FROM touchpoint.segment AS x WHERE %1$s ' || wait || ')'),
        (filter ? 'resource' AND (filter ? 'work_from' OR filter ? 'work_to'),
            'EXISTS (SELECT FROM touchpoint.segment AS x WHERE %1$s ' || work || ')'),
        (filter ? 'resource', 'EXISTS (SELECT FROM touchpoint.interaction_resource AS x WHERE %1$s x.resource_id = $2 ->> ''resource'')'),
        (filter ? 'flag', '($2 ->> ''flag'' = ANY (i.flags)
            OR EXISTS (SELECT FROM touchpoint.media_item AS x WHERE %1$s $2 ->> ''flag'' = ANY (x.flags)))'),
        (filter ? 'object_type', 'EXISTS (SELECT FROM touchpoint.interaction_object AS x WHERE %1$s x.object_type = $2 ->> ''object_type''
            AND ($2 -> ''object_id'' IS NULL OR x.object_id = $2 ->> ''object_id''))')
    ) AS c (asked, condition) WHERE c.asked);
    RETURN QUERY EXECUTE (
        SELECT format('SELECT u.* FROM (%s) AS u ORDER BY u.ended_at DESC, u.interaction_id DESC LIMIT $11', string_agg(format(
            '(SELECT i.interaction_id, i.ended_at FROM %s %s ORDER BY i.ended_at DESC, i.interaction_id DESC LIMIT $11)',
            source, wanted), ' UNION '))
        FROM unnest(sources) AS source
    ) USING v.tenant, filter, who.party_keys, who.party_ids, who.address_ids, parties, after_end, after_id, v.queues, v.resources,
        at_most, since, until, (filter ->> 'wait_from')::timestamptz, (filter ->> 'wait_to')::timestamptz,
        (filter ->> 'work_from')::timestamptz, (filter ->> 'work_to')::timestamptz;
END $$;

-- When and in which channel the interactions of `search_interactions` ended, newest first: not their whole lines.
CREATE FUNCTION touchpoint.viewed_contacts(filter jsonb, at_most integer) RETURNS TABLE (ended_at timestamptz, channel text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT i.ended_at, i.channel FROM touchpoint.search_interactions($1, NULL, NULL, $2) AS s
    CROSS JOIN LATERAL (
        SELECT * FROM touchpoint.interaction AS one
        WHERE one.interaction_id = s.interaction_id AND one.ended_at = s.ended_at OFFSET 0) AS i
$$;
REVOKE EXECUTE ON FUNCTION touchpoint.viewed_contacts(jsonb, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touchpoint.viewed_contacts(jsonb, integer) TO touchpoint_web, touchpoint_admin;
