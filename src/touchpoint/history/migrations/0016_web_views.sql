-- What touchpoint_web reads: the views of 0005, 0006 and 0014, of the proved context's tenant, queues and agents, and with names,
-- numbers and addresses only where the role sees them. `security_barrier`: no function of the reader's runs on a row before it.

CREATE FUNCTION touchpoint.mask_record(record json) RETURNS json
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT json_object_agg(key, CASE key
        WHEN 'party' THEN json_build_object('address', NULL, 'id', value -> 'id', 'name', NULL)
        WHEN 'identity' THEN '{"addresses": [], "agents": []}'
        WHEN 'notes' THEN '[]'
        ELSE value END ORDER BY place)
    FROM json_each(record) WITH ORDINALITY AS m (key, value, place)
$$;

-- The interactions of the context. For the views below: nobody reads it directly.
CREATE VIEW touchpoint.viewed_interaction AS
SELECT i.interaction_id, i.ended_at, v.role IN ('agent', 'supervisor') AS identity
FROM touchpoint.viewing() AS v
JOIN touchpoint.interaction AS i ON i.tenant = v.tenant
WHERE v.role IN ('reader', 'agent', 'supervisor') AND (
    v.queues IS NULL
    OR EXISTS (SELECT FROM touchpoint.segment AS s WHERE s.interaction_id = i.interaction_id AND s.interaction_ended_at = i.ended_at
               AND (s.queue = ANY (v.queues) OR s.resource_id = ANY (v.resources)))
    OR EXISTS (SELECT FROM touchpoint.activity AS a WHERE a.interaction_id = i.interaction_id
               AND a.interaction_ended_at = i.ended_at AND a.resource_id = ANY (v.resources)));

CREATE VIEW touchpoint.web_record WITH (security_barrier) AS
SELECT i.interaction_id, i.ended_at, CASE WHEN i.identity THEN r.record ELSE touchpoint.mask_record(r.record) END AS record
FROM touchpoint.viewed_interaction AS i
JOIN touchpoint.interaction_record AS r ON r.interaction_id = i.interaction_id AND r.ended_at = i.ended_at;

CREATE VIEW touchpoint.web_interaction WITH (security_barrier) AS
SELECT h.interaction_id, h.tenant, h.started_at, h.ended_at, h.duration_ms,
       CASE WHEN i.identity THEN h.party ELSE coalesce(h.party_id, 'party ' || left(h.party_key, 12)) END AS party,
       CASE WHEN i.identity THEN h.party_name END AS party_name, CASE WHEN i.identity THEN h.party_address END AS party_address,
       h.party_id, h.party_key, h.account_id, h.channel, h.channels, h.direction, h.resource_id,
       CASE WHEN i.identity THEN h.first_agent ELSE h.resource_id END AS first_agent,
       h.media_items, h.wait_ms, h.talk_ms, h.hold_ms, h.handle_ms, h.abandoned, h.transferred, h.outcome, h.result, h.reason,
       h.follow_up, h.campaign, h.summary, h.parent_interaction_id, h.closed_by, h.flags, h.recorded_at, h.amendments
FROM touchpoint.viewed_interaction AS i
JOIN touchpoint.interaction_history AS h ON h.interaction_id = i.interaction_id AND h.ended_at = i.ended_at;

CREATE VIEW touchpoint.web_amendment WITH (security_barrier) AS
SELECT a.interaction_id, a.ended_at, a.stored_with, a.seq, a.kind, a.payload, a.event_id, a.recorded_at
FROM touchpoint.viewed_interaction AS i
JOIN touchpoint.interaction_amendment AS a ON a.interaction_id = i.interaction_id AND a.ended_at = i.ended_at;

-- Who looked at whose history in the tenant, for an auditor.
CREATE VIEW touchpoint.web_access WITH (security_barrier) AS
SELECT a.accessed_at, a.access_id, a.who, a.role, a.by, a.action, a.target, a.party_keys
FROM touchpoint.viewing() AS v
JOIN touchpoint.access AS a ON a.tenant = v.tenant
WHERE v.role = 'auditor';

CREATE INDEX ON touchpoint.interaction (tenant, ended_at, interaction_id);
CREATE INDEX ON touchpoint.interaction (tenant, account_id, ended_at) WHERE account_id IS NOT NULL;
CREATE INDEX ON touchpoint.interaction (parent_interaction_id) WHERE parent_interaction_id IS NOT NULL;
CREATE INDEX ON touchpoint.interaction_resource (resource_id, interaction_ended_at);
CREATE INDEX ON touchpoint.interaction USING gin (flags) WHERE flags <> '{}';
CREATE INDEX ON touchpoint.media_item USING gin (flags) WHERE flags <> '{}';
CREATE INDEX ON touchpoint.party (tenant, account_id) WHERE account_id IS NOT NULL;
CREATE INDEX ON touchpoint.party USING gin (to_tsvector('simple', name)) WHERE name IS NOT NULL;
CREATE INDEX ON touchpoint.party_address USING gin (to_tsvector('simple', name)) WHERE name IS NOT NULL;

-- Whom `wanted` names in the context's tenant: opaque keys and party ids; addresses too where the role sees them. What an
-- address is known as, and all addresses of a party, count as one party. An address that was erased leaves its key.
CREATE FUNCTION touchpoint.resolve_party(
    of_tenant text, wanted text[], by_address boolean, OUT party_keys text[], OUT party_ids text[], OUT address_ids uuid[]
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key   text;
    found record;
BEGIN
    party_keys := ARRAY(SELECT w FROM unnest(wanted) AS w WHERE w ~ '^[0-9a-f]{64}$');
    FOREACH key IN ARRAY party_keys LOOP
        SELECT i.party_id, i.party_address_id INTO found FROM touchpoint.interaction AS i
        WHERE i.tenant = of_tenant AND i.party_key = key ORDER BY i.ended_at DESC LIMIT 1;
        party_ids := party_ids || found.party_id;
        address_ids := address_ids || CASE WHEN found.party_id IS NULL THEN found.party_address_id END;
    END LOOP;
    party_ids := party_ids || wanted || CASE WHEN by_address THEN ARRAY(
        SELECT a.party_id FROM touchpoint.party_address AS a WHERE a.tenant = of_tenant AND a.address = ANY (wanted)) END;
    party_ids := party_ids || ARRAY(
        SELECT a.party_id FROM touchpoint.party_address AS a WHERE a.tenant = of_tenant AND a.party_address_id = ANY (address_ids));
    party_ids := ARRAY(SELECT DISTINCT p FROM unnest(party_ids) AS p WHERE p IS NOT NULL);
    address_ids := address_ids || ARRAY(
        SELECT a.party_address_id FROM touchpoint.party_address AS a WHERE a.tenant = of_tenant AND a.party_id = ANY (party_ids))
        || CASE WHEN by_address THEN ARRAY(SELECT a.party_address_id FROM touchpoint.party_address AS a
                                           WHERE a.tenant = of_tenant AND a.address = ANY (wanted)) END;
    address_ids := ARRAY(SELECT DISTINCT a FROM unnest(address_ids) AS a WHERE a IS NOT NULL);
END $$;

-- The interactions of the context that `filter` asks for, newest end first, behind (`after_end`, `after_id`) in that order, at most
-- so many (NULL: all). Members of `filter`: party (a list that `resolve_party` takes), account, object_type and object_id, from and
-- to (of the end), channel, direction, queue (waited in), resource (an agent in it), outcome, campaign, parent, flag, min_duration
-- (ms); with a queue, wait_from and wait_to (the wait in it began then) and wait_outcome (answered, abandoned or by class
-- abandoned_in_queue and abandoned_while_ringing, other); with a resource, work_from and work_to (the agent was connected or in
-- wrap-up then). The text of the query is put together from what stands here alone; every value is a parameter.
CREATE FUNCTION touchpoint.search_interactions(
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

-- Parties by name (words or their beginnings), for roles that see identity, and by what `resolve_party` takes, in the order of
-- `ref`, behind `after`. Who never made contact has no key. `ref` is for going on only.
CREATE FUNCTION touchpoint.search_parties(wanted text[], names text, after text, at_most integer)
RETURNS TABLE (ref text, party_key text, party_id text, name text, account_id text, addresses text[], last_ended_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v     touchpoint.view_context := touchpoint.viewing();
    sees  boolean := coalesce(v.role IN ('agent', 'supervisor'), false);
    asked tsquery := CASE WHEN sees AND names <> '' THEN to_tsquery('simple', names) END;
    who   record;
BEGIN
    IF v IS NULL OR v.role NOT IN ('reader', 'agent', 'supervisor') THEN
        RETURN;
    END IF;
    SELECT r.party_keys, r.party_ids, r.address_ids INTO who FROM touchpoint.resolve_party(v.tenant, wanted, sees) AS r;
    RETURN QUERY
    WITH matching AS (
        SELECT p.party_id, NULL::uuid AS address_id FROM touchpoint.party AS p
        WHERE p.tenant = v.tenant AND to_tsvector('simple', p.name) @@ asked
        UNION SELECT a.party_id, CASE WHEN a.party_id IS NULL THEN a.party_address_id END FROM touchpoint.party_address AS a
        WHERE a.tenant = v.tenant AND to_tsvector('simple', a.name) @@ asked
        UNION SELECT unnest(who.party_ids), NULL
        UNION SELECT NULL, id FROM unnest(who.address_ids) AS id WHERE NOT EXISTS (
            SELECT FROM touchpoint.party_address AS a WHERE a.party_address_id = id AND a.party_id IS NOT NULL)
    ), found AS MATERIALIZED (
        SELECT coalesce(m.party_id, m.address_id::text) COLLATE "C" AS ref, m.party_id, m.address_id FROM matching AS m
        WHERE after IS NULL OR coalesce(m.party_id, m.address_id::text) COLLATE "C" > after ORDER BY 1 LIMIT at_most
    )
    SELECT f.ref, latest.party_key, CASE WHEN shown.party THEN f.party_id END,
           CASE WHEN sees AND shown.party THEN coalesce(p.name, a.name) END, CASE WHEN shown.party THEN p.account_id END,
           CASE WHEN sees AND shown.party THEN ARRAY(
               SELECT known.address FROM touchpoint.party_address AS known
               WHERE known.party_address_id = f.address_id OR (known.tenant = v.tenant AND known.party_id = f.party_id)
               ORDER BY 1 LIMIT 20) ELSE '{}' END, latest.ended_at
    FROM found AS f
    LEFT JOIN touchpoint.party AS p ON p.tenant = v.tenant AND p.party_id = f.party_id
    LEFT JOIN touchpoint.party_address AS a ON a.party_address_id = f.address_id
    LEFT JOIN LATERAL (
        (SELECT i.party_key, i.ended_at FROM touchpoint.interaction AS i
         WHERE i.tenant = v.tenant AND i.party_id = f.party_id
           AND (v.queues IS NULL OR touchpoint.in_view(i.interaction_id, i.ended_at, v.queues, v.resources))
         ORDER BY i.ended_at DESC LIMIT 1)
        UNION ALL
        (SELECT i.party_key, i.ended_at FROM touchpoint.interaction AS i
         WHERE i.tenant = v.tenant AND i.party_address_id IN (
               SELECT f.address_id UNION SELECT known.party_address_id FROM touchpoint.party_address AS known
               WHERE known.tenant = v.tenant AND known.party_id = f.party_id)
           AND (v.queues IS NULL OR touchpoint.in_view(i.interaction_id, i.ended_at, v.queues, v.resources))
         ORDER BY i.ended_at DESC LIMIT 1)
        ORDER BY 2 DESC LIMIT 1) AS latest ON true
    -- Of a party none of whose contacts the viewer may see, only its ref is told, from which the search goes on.
    CROSS JOIN LATERAL (SELECT latest.ended_at IS NOT NULL AS party) AS shown
    ORDER BY f.ref;
END $$;

-- An interaction of the context by its id or by that of one of its media items.
CREATE FUNCTION touchpoint.find_viewed(wanted text) RETURNS TABLE (interaction_id uuid, ended_at timestamptz, party_key text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.interaction_id, f.ended_at, i.party_key
    FROM touchpoint.viewing() AS v CROSS JOIN LATERAL touchpoint.find_interaction(v.tenant, wanted) AS f
    JOIN touchpoint.interaction AS i ON i.interaction_id = f.interaction_id AND i.ended_at = f.ended_at
    WHERE v.role IN ('reader', 'agent', 'supervisor') AND touchpoint.in_view(f.interaction_id, f.ended_at, v.queues, v.resources)
$$;

REVOKE EXECUTE ON FUNCTION touchpoint.mask_record(json), touchpoint.resolve_party(text, text[], boolean),
    touchpoint.search_interactions(jsonb, timestamptz, uuid, integer), touchpoint.search_parties(text[], text, text, integer),
    touchpoint.find_viewed(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touchpoint.rfc3339(timestamptz), touchpoint.mask_record(json),
    touchpoint.search_interactions(jsonb, timestamptz, uuid, integer),
    touchpoint.search_parties(text[], text, text, integer), touchpoint.find_viewed(text) TO touchpoint_web;
GRANT SELECT ON touchpoint.web_record, touchpoint.web_interaction, touchpoint.web_amendment, touchpoint.web_access TO touchpoint_web;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA touchpoint TO touchpoint_admin;
GRANT SELECT ON touchpoint.viewed_interaction, touchpoint.web_record, touchpoint.web_interaction, touchpoint.web_amendment,
    touchpoint.web_access TO touchpoint_admin;
