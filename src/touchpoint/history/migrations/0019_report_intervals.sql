-- Reports by interval. A wait, an agent's work and a media item each have a row in a view; functions attribute them to intervals of
-- any length in any zone: by start, by end, or split over the intervals that they last. Views of the same columns have 15 minutes, UTC.

-- A row per wait in a queue. Offered waits are answered, abandoned or other: nothing else.
CREATE VIEW touchpoint.queue_wait AS
SELECT m.tenant, s.queue, s.started_at, s.ended_at, s.duration_ms,
       CASE WHEN s.end_reason IN ('answered', 'abandoned') THEN s.end_reason ELSE 'other' END AS outcome,
       s.end_reason, CASE WHEN s.end_reason = 'abandoned' THEN m.abandoned END AS abandoned,
       s.end_reason = 'abandoned' AND 'short_abandon' = ANY (m.flags) AS short_abandon,
       leg.resource_id AS answered_by, leg.handle_ms, m.channel, m.direction, m.campaign,
       s.interaction_id, s.interaction_ended_at, s.media_item_id, s.segment_id
FROM touchpoint.segment AS s
CROSS JOIN LATERAL (  -- OFFSET 0: row by row, so that only the months of these rows are read
    SELECT * FROM touchpoint.media_item AS item WHERE item.interaction_id = s.interaction_id
    AND item.media_item_id = s.media_item_id AND item.interaction_ended_at = s.interaction_ended_at OFFSET 0
) AS m
LEFT JOIN LATERAL (
    SELECT w.resource_id, w.duration_ms + coalesce((
               SELECT sum(u.duration_ms) FROM touchpoint.segment AS u
               WHERE u.interaction_id = s.interaction_id AND u.interaction_ended_at = s.interaction_ended_at
                 AND u.media_item_id = s.media_item_id AND u.type = 'wrap_up' AND u.track = w.track
                 AND u.started_at >= w.ended_at), 0)::bigint AS handle_ms
    FROM touchpoint.segment AS w
    WHERE s.end_reason = 'answered' AND w.interaction_id = s.interaction_id
      AND w.interaction_ended_at = s.interaction_ended_at AND w.media_item_id = s.media_item_id
      AND w.type = 'with_agent' AND w.started_at >= s.ended_at
    ORDER BY w.started_at, w.position LIMIT 1
) AS leg ON true
WHERE s.type = 'queue' AND s.queue IS NOT NULL;

-- A row per segment on an agent's track. A bot is connected and has no figures in the record (stitching.md 2).
CREATE VIEW touchpoint.agent_work AS
SELECT m.tenant, s.track AS resource_id,
       r.resource_id IS NULL AND EXISTS (
           SELECT FROM touchpoint.segment AS c
           WHERE c.interaction_id = s.interaction_id AND c.interaction_ended_at = s.interaction_ended_at
             AND c.media_item_id = s.media_item_id AND c.track = s.track AND c.type IN ('with_agent', 'wrap_up')) AS bot,
       s.type, s.depth, s.started_at, s.ended_at, s.duration_ms,
       s.end_reason, s.transferred_from, s.conference, m.channel, m.direction,
       s.interaction_id, s.interaction_ended_at, s.media_item_id, s.segment_id
FROM touchpoint.segment AS s
CROSS JOIN LATERAL (  -- OFFSET 0: row by row, so that only the months of these rows are read
    SELECT * FROM touchpoint.media_item AS item WHERE item.interaction_id = s.interaction_id
    AND item.media_item_id = s.media_item_id AND item.interaction_ended_at = s.interaction_ended_at OFFSET 0
) AS m
LEFT JOIN LATERAL (
    SELECT own.resource_id FROM touchpoint.interaction_resource AS own WHERE own.interaction_id = s.interaction_id
    AND own.interaction_ended_at = s.interaction_ended_at AND own.resource_id = s.track OFFSET 0
) AS r ON true
WHERE s.track <> 'customer' AND s.resource_id IS NOT NULL;

-- The starts of the intervals that overlap [since, until), and the end of the last. An interval begins wherever a clock in the zone
-- shows a multiple of `length` since midnight: where the clock is put back an hour there is one more of each within it, where it is
-- put forward one fewer. `length`: whole minutes that divide a day, or 1 day, 1 week (from Monday) or 1 month.
CREATE FUNCTION touchpoint.interval_bounds(since timestamptz, until timestamptz, length interval, zone text) RETURNS timestamptz[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    minutes integer;
    step    interval;
    unit    text := CASE WHEN extract(month FROM length) = 1 AND length = interval '1 month' THEN 'month'  -- 30 days are equal to it
                         WHEN length = interval '7 days' THEN 'week' WHEN length = interval '1 day' THEN 'day' END;
    bounds  timestamptz[];
BEGIN
    IF since IS NULL OR until IS NULL OR since >= until THEN
        RETURN NULL;
    END IF;
    IF unit IS NOT NULL THEN
        bounds := ARRAY(SELECT day AT TIME ZONE zone FROM generate_series(
            date_trunc(unit, since AT TIME ZONE zone), until AT TIME ZONE zone + length, length) AS day ORDER BY 1);
    ELSE
        minutes := extract(epoch FROM length)::bigint / 60;
        IF length IS NULL OR minutes < 1 OR make_interval(mins => minutes) <> length OR 1440 % minutes <> 0 THEN
            RAISE EXCEPTION 'an interval of % is not known: minutes that divide a day, 1 day, 1 week or 1 month', length
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        step := make_interval(mins => CASE WHEN minutes % 15 = 0 THEN 15 WHEN minutes % 5 = 0 THEN 5 ELSE 1 END);
        bounds := ARRAY(
            SELECT instant FROM (
                SELECT c AS instant, c AT TIME ZONE zone AS clock, (c - step) AT TIME ZONE zone AS before
                FROM generate_series(date_trunc('day', since AT TIME ZONE zone) AT TIME ZONE zone - interval '24 hours',
                                     until + interval '48 hours', step) AS c) AS candidates
            WHERE extract(epoch FROM clock)::bigint % (minutes * 60) = 0 OR clock::date <> before::date ORDER BY 1);
    END IF;
    RETURN bounds[width_bucket(since, bounds):width_bucket(until - interval '1 microsecond', bounds) + 1];
END $$;

-- The three below are planned for the period that they are asked for. With the period as a parameter the planner read the primary
-- key's index of every later month from end to end: a day of agents among 930,000 interactions took 0.7 s, and takes 0.2 s.

-- Queues by interval: of `queues` alone if that is not NULL.
CREATE FUNCTION touchpoint.queue_intervals(
    of_tenant text, since timestamptz, until timestamptz, length interval DEFAULT '15 minutes', zone text DEFAULT 'UTC',
    queues text[] DEFAULT NULL
) RETURNS TABLE (
    tenant text, queue text, interval_start timestamptz, offered bigint, answered bigint, abandoned bigint, short_abandons bigint,
    service_level double precision, average_speed_of_answer_ms bigint, max_speed_of_answer_ms bigint, average_handle_ms bigint,
    other bigint, answered_in_time bigint, abandoned_while_ringing bigint, wait_ms bigint, handle_ms bigint,
    ended bigint, ended_answered bigint, ended_abandoned bigint, ended_other bigint, ended_wait_ms bigint, waiting_ms bigint,
    interval_end timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bounds timestamptz[] := touchpoint.interval_bounds(since, until, length, zone);
BEGIN
    RETURN QUERY EXECUTE $query$
        WITH bounds AS MATERIALIZED (
            SELECT $2::timestamptz[] AS b, cardinality($2) AS n
        ), waits AS MATERIALIZED (
            SELECT w.tenant, w.queue, w.started_at, w.ended_at, w.duration_ms, w.outcome, w.short_abandon, w.abandoned, w.handle_ms,
                   width_bucket(w.started_at, b) AS began_in, width_bucket(w.ended_at, b) AS ended_in
            FROM bounds, touchpoint.queue_wait AS w
            WHERE w.interaction_ended_at >= $3 AND w.ended_at >= $3
              AND w.started_at < $4
              AND ($1 IS NULL OR w.tenant = $1) AND ($5 IS NULL OR w.queue = ANY ($5))
        ), parts AS (
            SELECT 'start' AS kind, w.tenant, w.queue, w.began_in AS place, w.outcome, w.duration_ms, w.short_abandon, w.abandoned,
                   w.handle_ms, NULL::numeric AS seconds
            FROM waits AS w, bounds WHERE w.began_in BETWEEN 1 AND n - 1
            UNION ALL
            SELECT 'end', w.tenant, w.queue, w.ended_in, w.outcome, w.duration_ms, NULL, NULL, NULL, NULL
            FROM waits AS w, bounds WHERE w.ended_in BETWEEN 1 AND n - 1
            UNION ALL
            SELECT 'split', w.tenant, w.queue, place, NULL, NULL, NULL, NULL, NULL,
                   extract(epoch FROM least(w.ended_at, b[place + 1]) - greatest(w.started_at, b[place]))
            FROM waits AS w, bounds, generate_series(greatest(w.began_in, 1), least(w.ended_in, n - 1)) AS place
            WHERE w.ended_at > greatest(w.started_at, b[place])
        )
        SELECT p.tenant, p.queue, b[p.place],
               count(*) FILTER (WHERE kind = 'start'),
               count(*) FILTER (WHERE kind = 'start' AND outcome = 'answered'),
               count(*) FILTER (WHERE kind = 'start' AND outcome = 'abandoned'),
               count(*) FILTER (WHERE kind = 'start' AND short_abandon),
               count(*) FILTER (WHERE kind = 'start' AND outcome = 'answered' AND duration_ms <= 20000)::double precision
                   / nullif(count(*) FILTER (WHERE kind = 'start'), 0),
               round(avg(duration_ms) FILTER (WHERE kind = 'start' AND outcome = 'answered'))::bigint,
               max(duration_ms) FILTER (WHERE kind = 'start' AND outcome = 'answered'),
               round(avg(p.handle_ms) FILTER (WHERE kind = 'start' AND outcome = 'answered'))::bigint,
               count(*) FILTER (WHERE kind = 'start' AND outcome = 'other'),
               count(*) FILTER (WHERE kind = 'start' AND outcome = 'answered' AND duration_ms <= 20000),
               count(*) FILTER (WHERE kind = 'start' AND p.abandoned = 'while_ringing'),
               coalesce(sum(duration_ms) FILTER (WHERE kind = 'start'), 0)::bigint,
               coalesce(sum(p.handle_ms) FILTER (WHERE kind = 'start'), 0)::bigint,
               count(*) FILTER (WHERE kind = 'end'),
               count(*) FILTER (WHERE kind = 'end' AND outcome = 'answered'),
               count(*) FILTER (WHERE kind = 'end' AND outcome = 'abandoned'),
               count(*) FILTER (WHERE kind = 'end' AND outcome = 'other'),
               coalesce(sum(duration_ms) FILTER (WHERE kind = 'end'), 0)::bigint,
               coalesce(round(sum(seconds) * 1000), 0)::bigint, b[p.place + 1]
        FROM parts AS p, bounds GROUP BY p.tenant, p.queue, p.place, bounds.b ORDER BY 1, 2, 3
    $query$ USING of_tenant, bounds, bounds[1], bounds[cardinality(bounds)], queues;
END $$;

-- Agents by interval. `only`: these agents, and in interactions that passed one of `queues` every agent; NULL for all.
CREATE FUNCTION touchpoint.agent_intervals(
    of_tenant text, since timestamptz, until timestamptz, length interval DEFAULT '15 minutes', zone text DEFAULT 'UTC',
    only_agents text[] DEFAULT NULL, queues text[] DEFAULT NULL
) RETURNS TABLE (
    tenant text, resource_id text, interval_start timestamptz, bot boolean, offered bigint, connected bigint, transferred_in bigint,
    handle_ms_by_start bigint, not_answered bigint, released bigint, transferred_out bigint, handle_ms_by_end bigint,
    ring_ms bigint, talk_ms bigint, hold_ms bigint, wrap_up_ms bigint, handle_ms bigint, monitor_ms bigint, occupied_ms bigint,
    occupancy double precision, interval_end timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bounds timestamptz[] := touchpoint.interval_bounds(since, until, length, zone);
BEGIN
    RETURN QUERY EXECUTE $query$
        WITH bounds AS MATERIALIZED (
            SELECT $2::timestamptz[] AS b, cardinality($2) AS n
        ), work AS MATERIALIZED (
            SELECT w.tenant, w.resource_id, w.bot, w.interaction_id, w.media_item_id, w.type, w.started_at, w.ended_at, w.duration_ms,
                   w.end_reason, w.transferred_from, width_bucket(w.started_at, b) AS began_in, width_bucket(w.ended_at, b) AS ended_in
            FROM bounds, touchpoint.agent_work AS w
            WHERE w.interaction_ended_at >= $3 AND w.ended_at >= $3
              AND w.started_at < $4
              AND ($1 IS NULL OR w.tenant = $1)
              AND (($5 IS NULL AND $6 IS NULL) OR w.resource_id = ANY ($5) OR EXISTS (
                  SELECT FROM touchpoint.segment AS q WHERE q.interaction_id = w.interaction_id
                  AND q.interaction_ended_at = w.interaction_ended_at AND q.queue = ANY ($6)))
        ), counted AS (
            SELECT w.tenant, w.resource_id, w.bot, w.began_in AS place, true AS by_start, w.type, w.end_reason, w.transferred_from, w.duration_ms
            FROM work AS w, bounds WHERE w.began_in BETWEEN 1 AND n - 1
            UNION ALL
            SELECT w.tenant, w.resource_id, w.bot, w.ended_in, false, w.type, w.end_reason, w.transferred_from, w.duration_ms
            FROM work AS w, bounds WHERE w.ended_in BETWEEN 1 AND n - 1
        ), counts AS (
            SELECT c.tenant, c.resource_id, c.bot, c.place,
                   count(*) FILTER (WHERE by_start AND type = 'alerting') AS offered,
                   count(*) FILTER (WHERE by_start AND type = 'with_agent') AS connected,
                   count(*) FILTER (WHERE by_start AND type = 'with_agent' AND transferred_from IS NOT NULL) AS transferred_in,
                   sum(duration_ms) FILTER (WHERE by_start AND type IN ('with_agent', 'wrap_up')) AS handle_ms_by_start,
                   count(*) FILTER (WHERE NOT by_start AND type = 'alerting' AND end_reason IS DISTINCT FROM 'answered') AS not_answered,
                   count(*) FILTER (WHERE NOT by_start AND type = 'with_agent') AS released,
                   count(*) FILTER (WHERE NOT by_start AND type = 'with_agent' AND end_reason = 'transferred') AS transferred_out,
                   sum(duration_ms) FILTER (WHERE NOT by_start AND type IN ('with_agent', 'wrap_up')) AS handle_ms_by_end
            FROM counted AS c GROUP BY c.tenant, c.resource_id, c.bot, c.place
        ), parts AS MATERIALIZED (  -- of each media item in each interval
            SELECT w.tenant, w.resource_id, w.bot, place, w.type, CASE WHEN w.type = 'hold' THEN w.interaction_id::text || w.media_item_id END AS held,
                   tstzrange(greatest(w.started_at, b[place]), least(w.ended_at, b[place + 1])) AS part
            FROM work AS w, bounds, generate_series(greatest(w.began_in, 1), least(w.ended_in, n - 1)) AS place
            WHERE w.ended_at > greatest(w.started_at, b[place])
              AND w.type IN ('alerting', 'with_agent', 'wrap_up', 'hold', 'monitor')
        ), lengths AS (
            SELECT p.tenant, p.resource_id, p.bot, p.place, p.type, sum(extract(epoch FROM upper(part) - lower(part))) AS seconds
            FROM parts AS p WHERE p.type <> 'hold' GROUP BY p.tenant, p.resource_id, p.bot, p.place, p.type
            UNION ALL  -- holds of one media item may overlap
            SELECT h.tenant, h.resource_id, h.bot, h.place, 'hold', sum(extract(epoch FROM upper(span) - lower(span)))
            FROM (SELECT p.tenant, p.resource_id, p.bot, p.place, range_agg(p.part) AS spans FROM parts AS p
                  WHERE p.type = 'hold' GROUP BY p.tenant, p.resource_id, p.bot, p.place, p.held) AS h, unnest(h.spans) AS span
            GROUP BY h.tenant, h.resource_id, h.bot, h.place
            UNION ALL  -- chats run beside each other
            SELECT h.tenant, h.resource_id, h.bot, h.place, 'occupied', sum(extract(epoch FROM upper(span) - lower(span)))
            FROM (SELECT p.tenant, p.resource_id, p.bot, p.place, range_agg(p.part) AS spans FROM parts AS p
                  WHERE p.type IN ('with_agent', 'wrap_up') GROUP BY p.tenant, p.resource_id, p.bot, p.place) AS h, unnest(h.spans) AS span
            GROUP BY h.tenant, h.resource_id, h.bot, h.place
        ), spent AS (
            SELECT l.tenant, l.resource_id, l.bot, l.place,
                   round(sum(seconds * 1000) FILTER (WHERE type = 'alerting')) AS ring_ms,
                   round(sum(seconds * 1000) FILTER (WHERE type = 'with_agent')) AS connected_ms,
                   round(sum(seconds * 1000) FILTER (WHERE type = 'hold')) AS hold_ms,
                   round(sum(seconds * 1000) FILTER (WHERE type = 'wrap_up')) AS wrap_up_ms,
                   round(sum(seconds * 1000) FILTER (WHERE type = 'monitor')) AS monitor_ms,
                   round(sum(seconds * 1000) FILTER (WHERE type = 'occupied')) AS occupied_ms
            FROM lengths AS l GROUP BY l.tenant, l.resource_id, l.bot, l.place
        )
        SELECT tenant, resource_id, b[place], bot, coalesce(c.offered, 0), coalesce(c.connected, 0), coalesce(c.transferred_in, 0),
               coalesce(c.handle_ms_by_start, 0)::bigint, coalesce(c.not_answered, 0), coalesce(c.released, 0), coalesce(c.transferred_out, 0),
               coalesce(c.handle_ms_by_end, 0)::bigint, coalesce(s.ring_ms, 0)::bigint,
               (coalesce(s.connected_ms, 0) - coalesce(s.hold_ms, 0))::bigint, coalesce(s.hold_ms, 0)::bigint, coalesce(s.wrap_up_ms, 0)::bigint,
               (coalesce(s.connected_ms, 0) + coalesce(s.wrap_up_ms, 0))::bigint, coalesce(s.monitor_ms, 0)::bigint,
               coalesce(s.occupied_ms, 0)::bigint,
               (coalesce(s.occupied_ms, 0) / (extract(epoch FROM b[place + 1] - b[place]) * 1000))::double precision, b[place + 1]
        FROM counts AS c FULL JOIN spent AS s USING (tenant, resource_id, bot, place) CROSS JOIN bounds
        ORDER BY 1, 2, 3
    $query$ USING of_tenant, bounds, bounds[1], bounds[cardinality(bounds)], only_agents, queues;
END $$;

-- Media items by channel, direction and interval: of what `of_tenant` has; NULL for all.
CREATE FUNCTION touchpoint.channel_intervals(
    of_tenant text, since timestamptz, until timestamptz, length interval DEFAULT '15 minutes', zone text DEFAULT 'UTC'
) RETURNS TABLE (
    tenant text, channel text, direction text, interval_start timestamptz, started bigint, ended bigint, handled bigint,
    abandoned_in_ivr bigint, abandoned_in_queue bigint, abandoned_while_ringing bigint, abandoned_on_hold bigint, short_abandons bigint,
    transferred bigint, conferenced bigint, queue_wait_ms bigint, ring_ms bigint, talk_ms bigint, hold_ms bigint, acw_ms bigint,
    handle_ms bigint, average_first_response_ms bigint, pages bigint, open_at_start bigint, open_ms bigint, interval_end timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bounds timestamptz[] := touchpoint.interval_bounds(since, until, length, zone);
BEGIN
    RETURN QUERY EXECUTE $query$
        WITH bounds AS MATERIALIZED (
            SELECT $2::timestamptz[] AS b, cardinality($2) AS n
        ), items AS MATERIALIZED (
            SELECT m.*, width_bucket(m.started_at, b) AS began_in, width_bucket(m.ended_at, b) AS ended_in
            FROM bounds, touchpoint.media_item AS m
            WHERE m.interaction_ended_at >= $3 AND m.ended_at >= $3
              AND m.started_at < $4 AND ($1 IS NULL OR m.tenant = $1)
        ), ended AS (
            SELECT m.tenant, m.channel, m.direction, m.ended_in AS place, count(*) AS ended, count(*) FILTER (WHERE m.handle_ms > 0) AS handled,
                   count(*) FILTER (WHERE m.abandoned = 'in_ivr') AS abandoned_in_ivr,
                   count(*) FILTER (WHERE m.abandoned = 'in_queue') AS abandoned_in_queue,
                   count(*) FILTER (WHERE m.abandoned = 'while_ringing') AS abandoned_while_ringing,
                   count(*) FILTER (WHERE m.abandoned = 'on_hold') AS abandoned_on_hold,
                   count(*) FILTER (WHERE 'short_abandon' = ANY (m.flags)) AS short_abandons,
                   count(*) FILTER (WHERE m.transferred) AS transferred, count(*) FILTER (WHERE m.conferenced) AS conferenced,
                   sum(m.queue_wait_ms) AS queue_wait_ms, sum(m.ring_ms) AS ring_ms, sum(m.talk_ms) AS talk_ms, sum(m.hold_ms) AS hold_ms,
                   sum(m.acw_ms) AS acw_ms, sum(m.handle_ms) AS handle_ms, round(avg(m.first_response_ms)) AS average_first_response_ms,
                   sum(m.pages) AS pages
            FROM items AS m, bounds WHERE m.ended_in BETWEEN 1 AND n - 1 GROUP BY 1, 2, 3, 4
        ), parts AS (
            SELECT m.tenant, m.channel, m.direction, place, count(*) FILTER (WHERE place = m.began_in) AS started,
                   count(*) FILTER (WHERE m.started_at < b[place]) AS open_at_start,
                   sum(extract(epoch FROM least(m.ended_at, b[place + 1]) - greatest(m.started_at, b[place]))) AS seconds
            FROM items AS m, bounds, generate_series(greatest(m.began_in, 1), least(m.ended_in, n - 1)) AS place
            WHERE m.ended_at > b[place] OR place = m.began_in GROUP BY 1, 2, 3, 4
        )
        SELECT coalesce(p.tenant, e.tenant), coalesce(p.channel, e.channel), coalesce(p.direction, e.direction), b[coalesce(p.place, e.place)],
               coalesce(p.started, 0), coalesce(e.ended, 0), coalesce(e.handled, 0),
               coalesce(e.abandoned_in_ivr, 0), coalesce(e.abandoned_in_queue, 0), coalesce(e.abandoned_while_ringing, 0),
               coalesce(e.abandoned_on_hold, 0), coalesce(e.short_abandons, 0), coalesce(e.transferred, 0), coalesce(e.conferenced, 0),
               coalesce(e.queue_wait_ms, 0)::bigint, coalesce(e.ring_ms, 0)::bigint, coalesce(e.talk_ms, 0)::bigint,
               coalesce(e.hold_ms, 0)::bigint, e.acw_ms::bigint, coalesce(e.handle_ms, 0)::bigint, e.average_first_response_ms::bigint,
               e.pages, coalesce(p.open_at_start, 0), coalesce(round(p.seconds * 1000), 0)::bigint, b[coalesce(p.place, e.place) + 1]
        FROM parts AS p FULL JOIN ended AS e ON p.tenant = e.tenant AND p.channel = e.channel AND p.place = e.place
             AND coalesce(p.direction, '') = coalesce(e.direction, '') CROSS JOIN bounds
        ORDER BY 1, 2, 3, 4
    $query$ USING of_tenant, bounds, bounds[1], bounds[cardinality(bounds)];
END $$;

-- From the first start to the last end of all that is stored.
CREATE FUNCTION touchpoint.stored_span(OUT since timestamptz, OUT until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT min(started_at), max(ended_at) + interval '1 microsecond' FROM touchpoint.interaction
$$;

CREATE OR REPLACE VIEW touchpoint.queue_interval AS
SELECT i.* FROM touchpoint.stored_span() AS s, touchpoint.queue_intervals(NULL, s.since, s.until) AS i;

CREATE VIEW touchpoint.agent_interval AS
SELECT i.* FROM touchpoint.stored_span() AS s, touchpoint.agent_intervals(NULL, s.since, s.until) AS i;

CREATE VIEW touchpoint.channel_interval AS
SELECT i.* FROM touchpoint.stored_span() AS s, touchpoint.channel_intervals(NULL, s.since, s.until) AS i;

-- Rows are stored in the order in which interactions close, so that few blocks of a month have what an interval needs.
CREATE INDEX ON touchpoint.segment USING brin (started_at timestamptz_minmax_multi_ops, ended_at timestamptz_minmax_multi_ops)
    WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX ON touchpoint.media_item USING brin (started_at timestamptz_minmax_multi_ops, ended_at timestamptz_minmax_multi_ops)
    WITH (pages_per_range = 32, autosummarize = on);

REVOKE EXECUTE ON FUNCTION touchpoint.interval_bounds(timestamptz, timestamptz, interval, text), touchpoint.stored_span(),
    touchpoint.queue_intervals(text, timestamptz, timestamptz, interval, text, text[]),
    touchpoint.agent_intervals(text, timestamptz, timestamptz, interval, text, text[], text[]),
    touchpoint.channel_intervals(text, timestamptz, timestamptz, interval, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touchpoint.interval_bounds(timestamptz, timestamptz, interval, text), touchpoint.stored_span(),
    touchpoint.queue_intervals(text, timestamptz, timestamptz, interval, text, text[]),
    touchpoint.agent_intervals(text, timestamptz, timestamptz, interval, text, text[], text[]),
    touchpoint.channel_intervals(text, timestamptz, timestamptz, interval, text) TO touchpoint_viewer, touchpoint_admin;
GRANT SELECT ON touchpoint.queue_wait, touchpoint.agent_work, touchpoint.queue_interval, touchpoint.agent_interval,
    touchpoint.channel_interval TO touchpoint_viewer, touchpoint_admin;
