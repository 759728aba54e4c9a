-- What `touchpoint history` and `explain` read: the record as `touchpoint stitch` prints it, put together again from its
-- rows, with the names and addresses of its people as the member `identity` (and `party`).

CREATE VIEW touchpoint.interaction_record AS
SELECT i.interaction_id, i.ended_at, i.tenant, json_build_object(
    'interaction_id', i.interaction_id, 'tenant', i.tenant, 'party_key', i.party_key, 'party_id', i.party_id,
    'account_id', i.account_id, 'channel', i.channel, 'channels', i.channels, 'direction', i.direction,
    'started_at', touchpoint.rfc3339(i.started_at), 'ended_at', touchpoint.rfc3339(i.ended_at), 'duration_ms', i.duration_ms,
    'resource_id', i.resource_id, 'outcome', i.outcome, 'result', i.result, 'reason', i.reason, 'follow_up', i.follow_up,
    'campaign', i.campaign, 'parent_interaction_id', i.parent_interaction_id, 'closed_by', i.closed_by, 'flags', i.flags,
    'content_hash', i.content_hash,
    'party', json_build_object('address', a.address, 'id', i.party_id, 'name', coalesce(p.name, a.name)),
    'media_items', (
        SELECT coalesce(json_agg(json_build_object(
            'media_item_id', m.media_item_id, 'channel', m.channel, 'direction', m.direction,
            'party_address_id', m.party_address_id, 'dialed', m.dialed, 'campaign', m.campaign, 'thread_id', m.thread_id,
            'started_at', touchpoint.rfc3339(m.started_at), 'ended_at', touchpoint.rfc3339(m.ended_at),
            'queue_wait_ms', m.queue_wait_ms, 'ring_ms', m.ring_ms, 'talk_ms', m.talk_ms, 'hold_ms', m.hold_ms,
            'acw_ms', m.acw_ms, 'handle_ms', m.handle_ms, 'speed_of_answer_ms', m.speed_of_answer_ms,
            'abandoned', m.abandoned, 'transferred', m.transferred, 'conferenced', m.conferenced,
            'end_reason', m.end_reason, 'pages', m.pages, 'messages_customer', m.messages_customer,
            'messages_agent', m.messages_agent, 'first_response_ms', m.first_response_ms, 'flags', m.flags,
            'segments', (
                SELECT coalesce(json_agg(json_build_object(
                    'segment_id', s.segment_id, 'type', s.type, 'track', s.track, 'depth', s.depth,
                    'parent_segment_id', s.parent_segment_id, 'started_at', touchpoint.rfc3339(s.started_at),
                    'ended_at', touchpoint.rfc3339(s.ended_at), 'duration_ms', s.duration_ms, 'queue', s.queue,
                    'resource_id', s.resource_id, 'end_reason', s.end_reason, 'conference', s.conference,
                    'transferred_from', s.transferred_from, 'provenance', s.provenance, 'opened_by', s.opened_by,
                    'closed_by', s.closed_by, 'opened_rule', s.opened_rule, 'closed_rule', s.closed_rule)
                    ORDER BY s.position), '[]')
                FROM touchpoint.segment AS s
                WHERE s.interaction_id = m.interaction_id AND s.interaction_ended_at = m.interaction_ended_at
                  AND s.media_item_id = m.media_item_id)) ORDER BY m.position), '[]')
        FROM touchpoint.media_item AS m WHERE m.interaction_id = i.interaction_id AND m.interaction_ended_at = i.ended_at),
    'activities', (
        SELECT coalesce(json_agg(json_build_object(
            'activity_id', v.activity_id, 'media_item_id', v.media_item_id, 'action', v.action, 'resource_id', v.resource_id,
            'started_at', touchpoint.rfc3339(v.started_at), 'ended_at', touchpoint.rfc3339(v.ended_at),
            'outcome', v.outcome, 'result', v.result, 'reason', v.reason) ORDER BY v.position), '[]')
        FROM touchpoint.activity AS v WHERE v.interaction_id = i.interaction_id AND v.interaction_ended_at = i.ended_at),
    'objects', (
        SELECT coalesce(json_agg(json_build_object(
            'activity_id', o.activity_id, 'object_type', o.object_type, 'object_id', o.object_id,
            'object_action', o.object_action) ORDER BY o.position), '[]')
        FROM touchpoint.interaction_object AS o
        WHERE o.interaction_id = i.interaction_id AND o.interaction_ended_at = i.ended_at),
    'resources', (
        SELECT coalesce(json_agg(json_build_object(
            'resource_id', r.resource_id, 'talk_ms', r.talk_ms, 'hold_ms', r.hold_ms, 'acw_ms', r.acw_ms,
            'handle_ms', r.handle_ms) ORDER BY r.position), '[]')
        FROM touchpoint.interaction_resource AS r
        WHERE r.interaction_id = i.interaction_id AND r.interaction_ended_at = i.ended_at),
    'amendments', (
        SELECT coalesce(json_agg(json_build_object(
            'seq', x.seq, 'kind', x.kind, 'payload', x.payload, 'event_id', x.event_id) ORDER BY x.seq, x.event_id), '[]')
        FROM touchpoint.amendment AS x WHERE x.interaction_id = i.interaction_id AND x.interaction_ended_at = i.ended_at),
    'identity', json_build_object(
        'addresses', (
            SELECT coalesce(json_agg(json_build_array(known.party_address_id, known.address) ORDER BY known.address), '[]')
            FROM touchpoint.party_address AS known WHERE known.party_address_id IN (
                SELECT i.party_address_id UNION SELECT m.party_address_id FROM touchpoint.media_item AS m
                WHERE m.interaction_id = i.interaction_id AND m.interaction_ended_at = i.ended_at)),
        'agents', (
            SELECT coalesce(json_agg(json_build_array(agent.resource_id, agent.name) ORDER BY agent.resource_id), '[]')
            FROM touchpoint.resource AS agent WHERE agent.tenant = i.tenant AND agent.name IS NOT NULL AND agent.resource_id IN (
                SELECT s.resource_id FROM touchpoint.segment AS s
                WHERE s.interaction_id = i.interaction_id AND s.interaction_ended_at = i.ended_at
                UNION SELECT v.resource_id FROM touchpoint.activity AS v
                WHERE v.interaction_id = i.interaction_id AND v.interaction_ended_at = i.ended_at)))) AS record
FROM touchpoint.interaction AS i
LEFT JOIN touchpoint.party AS p ON p.tenant = i.tenant AND p.party_id = i.party_id
LEFT JOIN touchpoint.party_address AS a ON a.party_address_id = i.party_address_id;

-- The interactions of a party, newest first, by any of `wanted`: its addresses or its party id. Found through the identity
-- tables alone: after an erasure there is nothing to find. All addresses of an identified party count as its own.
CREATE FUNCTION touchpoint.find_interactions(of_tenant text, wanted text[], since timestamptz, at_most integer)
RETURNS TABLE (interaction_id uuid, ended_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH ids AS (
        SELECT party_id FROM touchpoint.party WHERE tenant = of_tenant AND party_id = ANY (wanted)
        UNION SELECT party_id FROM touchpoint.party_address
        WHERE tenant = of_tenant AND address = ANY (wanted) AND party_id IS NOT NULL
    ), addresses AS (
        SELECT party_address_id FROM touchpoint.party_address
        WHERE tenant = of_tenant AND (address = ANY (wanted) OR party_id IN (SELECT party_id FROM ids))
    )
    SELECT i.interaction_id, i.ended_at FROM touchpoint.interaction AS i
    WHERE i.tenant = of_tenant AND i.party_id IN (SELECT party_id FROM ids) AND i.ended_at >= coalesce(since, '-infinity')
    UNION
    SELECT i.interaction_id, i.ended_at FROM touchpoint.interaction AS i
    WHERE i.party_address_id IN (SELECT party_address_id FROM addresses) AND i.ended_at >= coalesce(since, '-infinity')
    UNION
    SELECT m.interaction_id, m.interaction_ended_at FROM touchpoint.media_item AS m
    WHERE m.party_address_id IN (SELECT party_address_id FROM addresses)
      AND m.interaction_ended_at >= coalesce(since, '-infinity')
    ORDER BY ended_at DESC, interaction_id LIMIT at_most
$$;

-- An interaction by its id, or by the id of one of its media items.
CREATE FUNCTION touchpoint.find_interaction(of_tenant text, wanted text)
RETURNS TABLE (interaction_id uuid, ended_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT i.interaction_id, i.ended_at FROM touchpoint.interaction_index AS i
    WHERE i.interaction_id = CASE WHEN wanted ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN wanted::uuid END
    UNION
    SELECT m.interaction_id, m.interaction_ended_at FROM touchpoint.media_item AS m
    WHERE m.tenant = of_tenant AND m.media_item_id = wanted
    ORDER BY ended_at DESC LIMIT 1
$$;
