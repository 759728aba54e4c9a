-- Whether reports and records add up.

-- Whether the parts of each media item add up to it. `untold_ms`: what is too short for a segment (a gap is more than 1 s, or 3 s
-- where every stamp of the item is a whole second: stitching.md 2). Every difference is 0, but for microseconds that are cut off.
CREATE VIEW touchpoint.media_item_reconciliation AS
SELECT m.tenant, m.interaction_id, m.interaction_ended_at, m.media_item_id, m.channel,
       round(extract(epoch FROM m.ended_at - m.started_at) * 1000)::bigint AS duration_ms,
       round(extract(epoch FROM m.ended_at - m.started_at) * 1000 - coalesce(hole.total, 0))::bigint AS covered_ms,
       coalesce(round(hole.total), 0)::bigint AS untold_ms, coalesce(round(hole.longest), 0)::bigint AS longest_untold_ms,
       m.queue_wait_ms - part.queue_ms AS queue_wait_difference_ms, m.ring_ms - part.ring_ms AS ring_difference_ms,
       m.handle_ms - part.handle_ms AS handle_difference_ms, part.bot_ms
FROM touchpoint.media_item AS m
CROSS JOIN LATERAL (
    SELECT coalesce(sum(s.duration_ms) FILTER (WHERE s.type = 'queue'), 0)::bigint AS queue_ms,
           coalesce(sum(s.duration_ms) FILTER (WHERE s.type = 'alerting' AND s.end_reason = 'answered'), 0)::bigint AS ring_ms,
           coalesce(sum(s.duration_ms) FILTER (WHERE s.type IN ('with_agent', 'wrap_up') AND r.resource_id IS NOT NULL), 0)::bigint AS handle_ms,
           coalesce(sum(s.duration_ms) FILTER (WHERE s.type IN ('with_agent', 'wrap_up') AND r.resource_id IS NULL), 0)::bigint AS bot_ms,
           range_agg(tstzrange(s.started_at, s.ended_at)) FILTER (WHERE s.track = 'customer' OR s.type = 'with_agent') AS covered
    FROM touchpoint.segment AS s
    LEFT JOIN touchpoint.interaction_resource AS r ON r.interaction_id = s.interaction_id
         AND r.interaction_ended_at = s.interaction_ended_at AND r.resource_id = s.track
    WHERE s.interaction_id = m.interaction_id AND s.interaction_ended_at = m.interaction_ended_at AND s.media_item_id = m.media_item_id
) AS part
CROSS JOIN LATERAL (
    SELECT sum(extract(epoch FROM upper(span) - lower(span)) * 1000) AS total, max(extract(epoch FROM upper(span) - lower(span)) * 1000) AS longest
    FROM unnest(tstzmultirange(tstzrange(m.started_at, m.ended_at)) - coalesce(part.covered, '{}')) AS span
) AS hole;

-- Whether the reports add up to the media items: a row per tenant and rule, with both sides and their difference.
CREATE VIEW touchpoint.report_reconciliation AS
WITH queues AS (
    SELECT tenant, sum(offered) AS offered, sum(answered + abandoned + other) AS by_outcome, sum(ended) AS ended,
           sum(wait_ms) AS by_start, sum(ended_wait_ms) AS by_end, sum(waiting_ms) AS split
    FROM touchpoint.queue_interval GROUP BY tenant
), agents AS (
    SELECT tenant, sum(handle_ms_by_start) AS by_start, sum(handle_ms_by_end) AS by_end, sum(handle_ms) AS split
    FROM touchpoint.agent_interval WHERE NOT bot GROUP BY tenant
), channels AS (
    SELECT tenant, sum(started) AS started, sum(ended) AS ended, sum(handle_ms) AS handle_ms, sum(open_ms) AS open_ms
    FROM touchpoint.channel_interval GROUP BY tenant
), items AS (
    SELECT tenant, count(*) AS items, sum(queue_wait_ms) AS queue_wait_ms, sum(handle_ms) AS handle_ms,
           round(sum(extract(epoch FROM ended_at - started_at)) * 1000) AS open_ms
    FROM touchpoint.media_item GROUP BY tenant
), resources AS (
    SELECT i.tenant, sum(r.handle_ms) AS handle_ms FROM touchpoint.interaction_resource AS r
    JOIN touchpoint.interaction AS i ON i.interaction_id = r.interaction_id AND i.ended_at = r.interaction_ended_at GROUP BY i.tenant
)
SELECT tenant, rule, coalesce(expected, 0)::bigint AS expected, coalesce(found, 0)::bigint AS found,
       (coalesce(found, 0) - coalesce(expected, 0))::bigint AS difference
FROM items AS m LEFT JOIN queues AS q USING (tenant) LEFT JOIN agents AS a USING (tenant) LEFT JOIN channels AS c USING (tenant)
LEFT JOIN resources AS r USING (tenant)
CROSS JOIN LATERAL (VALUES
    ('offered = answered + abandoned + other', q.offered, q.by_outcome),
    ('offered = ended', q.offered, q.ended),
    ('waits by start = waits of media items, ms', m.queue_wait_ms, q.by_start),
    ('waits by end = waits of media items, ms', m.queue_wait_ms, q.by_end),
    ('waits split = waits of media items, ms', m.queue_wait_ms, q.split),
    ('handling by start = handling of media items, ms', m.handle_ms, a.by_start),
    ('handling by end = handling of media items, ms', m.handle_ms, a.by_end),
    ('handling split = handling of media items, ms', m.handle_ms, a.split),
    ('handling of agents = handling of media items, ms', m.handle_ms, r.handle_ms),
    ('handling by channel = handling of media items, ms', m.handle_ms, c.handle_ms),
    ('started = media items', m.items, c.started),
    ('ended = media items', m.items, c.ended),
    ('open split = length of media items, ms', m.open_ms, c.open_ms)
) AS rules (rule, expected, found);

GRANT SELECT ON touchpoint.media_item_reconciliation, touchpoint.report_reconciliation TO touchpoint_viewer, touchpoint_admin;
