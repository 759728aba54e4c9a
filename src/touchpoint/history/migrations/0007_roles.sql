-- Roles belong to the whole cluster, so they may be there already. None can log in: an operator grants them to who can.

DO $$
DECLARE wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['touchpoint_writer', 'touchpoint_viewer', 'touchpoint_admin'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- another database's migration was first
            END;
        END IF;
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA touchpoint TO touchpoint_writer, touchpoint_viewer, touchpoint_admin;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA touchpoint FROM PUBLIC;

-- The worker: inserts closed rows, keeps identity up to date, sees what a conflict check needs and no more.
GRANT INSERT ON touchpoint.interaction, touchpoint.interaction_index, touchpoint.media_item, touchpoint.segment,
    touchpoint.activity, touchpoint.interaction_object, touchpoint.interaction_resource, touchpoint.amendment TO touchpoint_writer;
GRANT SELECT ON touchpoint.interaction_index, touchpoint.migration TO touchpoint_writer;
GRANT SELECT (interaction_id, event_id, interaction_ended_at) ON touchpoint.amendment TO touchpoint_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON touchpoint.party, touchpoint.party_address, touchpoint.resource TO touchpoint_writer;
GRANT EXECUTE ON FUNCTION touchpoint.ensure_partitions(date, integer) TO touchpoint_writer;

-- View Interactions: the views, and no table.
GRANT SELECT ON touchpoint.interaction_history, touchpoint.media_item_timeline, touchpoint.queue_interval,
    touchpoint.interaction_record TO touchpoint_viewer;
GRANT EXECUTE ON FUNCTION touchpoint.rfc3339(timestamptz), touchpoint.find_interactions(text, text[], timestamptz, integer),
    touchpoint.find_interaction(text, text) TO touchpoint_viewer;

-- The administrator: reads everything, keeps identity, decides on retention; closed rows stay out of reach.
GRANT SELECT ON ALL TABLES IN SCHEMA touchpoint TO touchpoint_admin;
GRANT INSERT, UPDATE, DELETE ON touchpoint.party, touchpoint.party_address, touchpoint.resource TO touchpoint_admin;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA touchpoint TO touchpoint_admin;
