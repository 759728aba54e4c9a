-- Which rules made an interaction: the version of the stitching, and the dialects of its events with theirs. NULL: release
-- 0.1.0, which did not say. In the index over all months too, which alone the writer may read.

ALTER TABLE touchpoint.interaction ADD COLUMN rules_version integer, ADD COLUMN dialects text[];
ALTER TABLE touchpoint.interaction_index ADD COLUMN rules_version integer, ADD COLUMN dialects text[];

CREATE OR REPLACE VIEW touchpoint.interaction_record AS
SELECT i.interaction_id, i.ended_at, i.tenant, json_build_object(
    'interaction_id', i.interaction_id, 'tenant', i.tenant, 'party_key', i.party_key, 'party_id', i.party_id,
    'account_id', i.account_id, 'channel', i.channel, 'channels', i.channels, 'direction', i.direction,
    'started_at', touchpoint.rfc3339(i.started_at), 'ended_at', touchpoint.rfc3339(i.ended_at), 'duration_ms', i.duration_ms,
    'resource_id', i.resource_id, 'outcome', i.outcome, 'result', i.result, 'reason', i.reason, 'follow_up', i.follow_up,
    'campaign', i.campaign, 'parent_interaction_id', i.parent_interaction_id, 'closed_by', i.closed_by, 'flags', i.flags,
    'content_hash', i.content_hash, 'rules_version', i.rules_version, 'dialects', i.dialects,
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
