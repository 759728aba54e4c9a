-- A viewer of one tenant. touchpoint_viewer reads every tenant; a login that may read one gets a schema of that tenant's views.

-- Makes, or brings up to date, a schema with the views and report functions, of one tenant alone, for the role `reader`. As the
-- owner of the schema touchpoint, who may create schemas; again after each migrate. The schema is for this alone: the role may execute
-- every function in it. What is computed from other tenants' rows is behind functions that run as the owner. Refused for a role that reads every tenant.
CREATE FUNCTION touchpoint.make_tenant_schema(of_tenant text, in_schema name, reader name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    view    name;
    period  text := 'since timestamptz, until timestamptz, length interval DEFAULT ''15 minutes'', zone text DEFAULT ''UTC''';
BEGIN
    IF of_tenant IS NULL OR in_schema IN ('touchpoint', 'public') OR in_schema LIKE 'pg\_%' THEN
        RAISE EXCEPTION 'no schema is made: name a tenant, and a schema that is not %', in_schema
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF pg_has_role(reader, 'touchpoint_viewer', 'MEMBER') OR pg_has_role(reader, 'touchpoint_admin', 'MEMBER') THEN
        RAISE EXCEPTION 'no schema is made: % reads every tenant already', reader
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Revoke touchpoint_viewer and touchpoint_admin from it first.';
    END IF;
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', in_schema);
    FOREACH view IN ARRAY ARRAY['interaction_history', 'media_item_timeline', 'interaction_record', 'interaction_activity', 'queue_wait',
                                'agent_work', 'media_item_reconciliation'] LOOP
        EXECUTE format('CREATE OR REPLACE VIEW %I.%I WITH (security_barrier) AS SELECT * FROM touchpoint.%I WHERE tenant = %L',
                       in_schema, view, view, of_tenant);
    END LOOP;
    EXECUTE format('CREATE OR REPLACE VIEW %I.interaction_amendment WITH (security_barrier) AS
        SELECT a.* FROM touchpoint.interaction_amendment AS a
        JOIN touchpoint.interaction AS i ON i.interaction_id = a.interaction_id AND i.ended_at = a.ended_at
        WHERE i.tenant = %L', in_schema, of_tenant);
    FOREACH view IN ARRAY ARRAY['queue_interval', 'agent_interval', 'channel_interval'] LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION %1$I.%2$I(%3$s) RETURNS SETOF touchpoint.%4$I
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            AS $body$ SELECT * FROM touchpoint.%2$I(%5$L, $1, $2, $3, $4) $body$', in_schema, view || 's', period, view, of_tenant);
        EXECUTE format('CREATE OR REPLACE FUNCTION %1$I.%2$I() RETURNS SETOF touchpoint.%2$I
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            AS $body$ SELECT i.* FROM touchpoint.stored_span() AS s, touchpoint.%3$I(%4$L, s.since, s.until) AS i $body$',
            in_schema, view, view || 's', of_tenant);
    END LOOP;
    EXECUTE format('CREATE OR REPLACE FUNCTION %I.report_reconciliation() RETURNS SETOF touchpoint.report_reconciliation
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $body$ SELECT * FROM touchpoint.report_reconciliation WHERE tenant = %L $body$', in_schema, of_tenant);
    FOREACH view IN ARRAY ARRAY['queue_interval', 'agent_interval', 'channel_interval', 'report_reconciliation'] LOOP
        EXECUTE format('CREATE OR REPLACE VIEW %1$I.%2$I AS SELECT * FROM %1$I.%2$I()', in_schema, view);
    END LOOP;
    EXECUTE format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', in_schema);
    EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO %I', in_schema, reader);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', in_schema, reader);
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', in_schema, reader);
    EXECUTE format('GRANT EXECUTE ON FUNCTION touchpoint.rfc3339(timestamptz) TO %I', reader);  -- a record writes its instants by it
END $$;

REVOKE EXECUTE ON FUNCTION touchpoint.make_tenant_schema(text, name, name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touchpoint.make_tenant_schema(text, name, name) TO touchpoint_admin;
