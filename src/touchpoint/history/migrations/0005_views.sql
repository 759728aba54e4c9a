-- Views for people and BI. They belong to the schema's owner, so who may read them needs no right on the tables.

-- RFC 3339 in UTC with Z, microseconds only where there are any: as the record writes an instant.
CREATE FUNCTION touchpoint.rfc3339(instant timestamptz) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_char(instant AT TIME ZONE 'UTC',
                   CASE WHEN extract(microseconds FROM instant AT TIME ZONE 'UTC')::integer % 1000000 = 0
                        THEN 'YYYY-MM-DD"T"HH24:MI:SS"Z"' ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"' END)
$$;

-- One line per interaction, as an agent would read it. After an erasure only the opaque key is left of the party.
CREATE VIEW touchpoint.interaction_history AS
SELECT i.interaction_id, i.tenant, i.started_at, i.ended_at, i.duration_ms,
       coalesce(p.name, a.name, a.address, i.party_id, 'party ' || left(i.party_key, 12)) AS party,
       p.name AS party_name, a.address AS party_address, i.party_id, i.party_key,
       coalesce(p.account_id, i.account_id) AS account_id,
       i.channel, i.channels, i.direction, i.resource_id, coalesce(r.name, i.resource_id) AS first_agent,
       m.media_items, m.wait_ms, m.talk_ms, m.hold_ms, m.handle_ms, m.abandoned, m.transferred,
       i.outcome, i.result, i.reason, i.follow_up, i.campaign,
       concat_ws('; ', m.summary, b.summary) AS summary,
       i.parent_interaction_id, i.closed_by, i.flags, i.recorded_at, coalesce(x.amendments, 0) AS amendments
FROM touchpoint.interaction AS i
LEFT JOIN touchpoint.party AS p ON p.tenant = i.tenant AND p.party_id = i.party_id
LEFT JOIN touchpoint.party_address AS a ON a.party_address_id = i.party_address_id
LEFT JOIN touchpoint.resource AS r ON r.tenant = i.tenant AND r.resource_id = i.resource_id
LEFT JOIN LATERAL (
    SELECT count(*) AS media_items, sum(queue_wait_ms)::bigint AS wait_ms, sum(talk_ms)::bigint AS talk_ms,
           sum(hold_ms)::bigint AS hold_ms, sum(handle_ms)::bigint AS handle_ms,
           (array_agg(abandoned) FILTER (WHERE abandoned IS NOT NULL))[1] AS abandoned, bool_or(transferred) AS transferred,
           string_agg(concat_ws(' ', direction, channel,
               CASE WHEN abandoned IS NOT NULL THEN 'abandoned ' || replace(abandoned, '_', ' ') END,
               CASE WHEN pages IS NOT NULL THEN pages || ' pages' END), '; ' ORDER BY position) AS summary
    FROM touchpoint.media_item WHERE interaction_id = i.interaction_id AND interaction_ended_at = i.ended_at
) AS m ON true
LEFT JOIN LATERAL (
    SELECT string_agg(concat_ws(' ', action, outcome, result, (
               SELECT string_agg(concat_ws(' ', object_type, object_id, object_action), ', ' ORDER BY o.position)
               FROM touchpoint.interaction_object AS o
               WHERE o.interaction_id = v.interaction_id AND o.interaction_ended_at = v.interaction_ended_at
                 AND o.activity_id = v.activity_id)), '; ' ORDER BY position) AS summary
    FROM touchpoint.activity AS v WHERE interaction_id = i.interaction_id AND interaction_ended_at = i.ended_at
) AS b ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS amendments
    FROM touchpoint.amendment WHERE interaction_id = i.interaction_id AND interaction_ended_at = i.ended_at
) AS x ON true;

-- The segments of a media item in order, with offsets from its start.
CREATE VIEW touchpoint.media_item_timeline AS
SELECT m.tenant, m.interaction_id, m.media_item_id, m.channel, m.started_at AS media_item_started_at, s.position,
       round(extract(epoch FROM s.started_at - m.started_at) * 1000)::bigint AS offset_ms, s.duration_ms,
       s.type, s.track, s.depth, s.queue, s.resource_id, r.name AS resource_name, s.end_reason, s.conference,
       s.transferred_from, s.provenance, s.started_at, s.ended_at, s.segment_id, s.parent_segment_id,
       s.opened_by, s.closed_by, s.opened_rule, s.closed_rule
FROM touchpoint.media_item AS m
JOIN touchpoint.segment AS s ON s.interaction_id = m.interaction_id AND s.media_item_id = m.media_item_id
     AND s.interaction_ended_at = m.interaction_ended_at
LEFT JOIN touchpoint.resource AS r ON r.tenant = m.tenant AND r.resource_id = s.resource_id
ORDER BY m.interaction_id, m.position, s.position;

-- Per tenant, queue and quarter of an hour (in which the wait began). Speed of answer is the wait of what was answered;
-- service level the share of what was offered that was answered within 20 seconds. Handle time is the agent's who answered
-- that wait: connected time, and that agent's wrap-up.
CREATE VIEW touchpoint.queue_interval AS
SELECT tenant, queue, interval_start,
       count(*) AS offered,
       count(*) FILTER (WHERE answered) AS answered,
       count(*) FILTER (WHERE end_reason = 'abandoned') AS abandoned,
       count(*) FILTER (WHERE end_reason = 'abandoned' AND short) AS short_abandons,
       count(*) FILTER (WHERE answered AND duration_ms <= 20000)::double precision / count(*) AS service_level,
       round(avg(duration_ms) FILTER (WHERE answered))::bigint AS average_speed_of_answer_ms,
       max(duration_ms) FILTER (WHERE answered) AS max_speed_of_answer_ms,
       round(avg(handle_ms) FILTER (WHERE answered))::bigint AS average_handle_ms
FROM (
    SELECT m.tenant, s.queue, date_bin('15 minutes', s.started_at, '2000-01-01 00:00:00+00') AS interval_start,
           s.end_reason, s.end_reason = 'answered' AS answered, 'short_abandon' = ANY (m.flags) AS short, s.duration_ms,
           leg.handle_ms
    FROM touchpoint.segment AS s
    JOIN touchpoint.media_item AS m ON m.interaction_id = s.interaction_id AND m.media_item_id = s.media_item_id
         AND m.interaction_ended_at = s.interaction_ended_at
    LEFT JOIN LATERAL (
        SELECT w.duration_ms + coalesce((
                   SELECT sum(u.duration_ms) FROM touchpoint.segment AS u
                   WHERE u.interaction_id = s.interaction_id AND u.interaction_ended_at = s.interaction_ended_at
                     AND u.media_item_id = s.media_item_id AND u.type = 'wrap_up' AND u.track = w.track
                     AND u.started_at >= w.ended_at), 0) AS handle_ms
        FROM touchpoint.segment AS w
        WHERE s.end_reason = 'answered' AND w.interaction_id = s.interaction_id
          AND w.interaction_ended_at = s.interaction_ended_at AND w.media_item_id = s.media_item_id
          AND w.type = 'with_agent' AND w.started_at >= s.ended_at
        ORDER BY w.started_at, w.position LIMIT 1
    ) AS leg ON true
    WHERE s.type = 'queue' AND s.queue IS NOT NULL
) AS waits
GROUP BY tenant, queue, interval_start;
