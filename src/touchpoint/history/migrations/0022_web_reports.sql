-- Reports of the proved context, for supervisors: of its tenant; where it is bound to queues and agents, of these queues, and of these
-- agents and whoever worked in what passed one of these queues.

CREATE FUNCTION touchpoint.viewed_queue_intervals(since timestamptz, until timestamptz, length interval, zone text, of_queue text)
RETURNS SETOF touchpoint.queue_interval
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT i.* FROM touchpoint.viewing() AS v CROSS JOIN LATERAL touchpoint.queue_intervals(coalesce(v.tenant, ''), $1, $2, $3, $4,
        CASE WHEN $5 IS NULL THEN v.queues WHEN v.queues IS NULL OR $5 = ANY (v.queues) THEN ARRAY[$5] ELSE '{}' END) AS i
    WHERE v.role = 'supervisor'
$$;

CREATE FUNCTION touchpoint.viewed_agent_intervals(since timestamptz, until timestamptz, length interval, zone text, of_agent text)
RETURNS SETOF touchpoint.agent_interval
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT i.* FROM touchpoint.viewing() AS v
    CROSS JOIN LATERAL touchpoint.agent_intervals(coalesce(v.tenant, ''), $1, $2, $3, $4, v.resources, v.queues) AS i
    WHERE v.role = 'supervisor' AND ($5 IS NULL OR i.resource_id = $5)
$$;

-- When and in which channel the interactions of `search_interactions` ended, newest first: not their whole lines.
CREATE FUNCTION touchpoint.viewed_contacts(filter jsonb, at_most integer) RETURNS TABLE (ended_at timestamptz, channel text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT i.ended_at, i.channel FROM touchpoint.search_interactions($1, NULL, NULL, $2) AS s
    CROSS JOIN LATERAL (
        SELECT * FROM touchpoint.interaction AS one
        WHERE one.interaction_id = s.interaction_id AND one.ended_at = s.ended_at OFFSET 0) AS i
$$;

REVOKE EXECUTE ON FUNCTION touchpoint.viewed_queue_intervals(timestamptz, timestamptz, interval, text, text),
    touchpoint.viewed_agent_intervals(timestamptz, timestamptz, interval, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touchpoint.viewed_queue_intervals(timestamptz, timestamptz, interval, text, text),
    touchpoint.viewed_agent_intervals(timestamptz, timestamptz, interval, text, text) TO touchpoint_web, touchpoint_admin;
REVOKE EXECUTE ON FUNCTION touchpoint.viewed_contacts(jsonb, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touchpoint.viewed_contacts(jsonb, integer) TO touchpoint_web, touchpoint_admin;
