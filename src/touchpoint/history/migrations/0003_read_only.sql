-- Closed rows are read only, whoever asks. A row trigger on each partitioned table is cloned onto its partitions; a
-- statement trigger is not, so `ensure_partitions` puts one on each: it refuses TRUNCATE, and a change that matches no row.
-- ENABLE ALWAYS: session_replication_role = replica does not switch it off.

CREATE FUNCTION touchpoint.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: closed interactions are read only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'A correction is an amendment or a child interaction; retention is touchpoint.drop_expired(date).';
END $$;

-- The partitioned tables of the closed record.
CREATE FUNCTION touchpoint.closed_tables() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY['interaction', 'media_item', 'segment', 'activity', 'interaction_object', 'interaction_resource', 'amendment']
$$;

CREATE FUNCTION touchpoint.protect_statements(relation text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER read_only_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON touchpoint.%I
                    FOR EACH STATEMENT EXECUTE FUNCTION touchpoint.refuse_change()', relation);
    EXECUTE format('ALTER TABLE touchpoint.%I ENABLE ALWAYS TRIGGER read_only_statement', relation);
END $$;

DO $$
DECLARE relation text;
BEGIN
    FOREACH relation IN ARRAY touchpoint.closed_tables() LOOP
        PERFORM touchpoint.protect_statements(relation);
        EXECUTE format('CREATE TRIGGER read_only_row BEFORE UPDATE OR DELETE ON touchpoint.%I
                        FOR EACH ROW EXECUTE FUNCTION touchpoint.refuse_change()', relation);
        EXECUTE format('ALTER TABLE touchpoint.%I ENABLE ALWAYS TRIGGER read_only_row', relation);
    END LOOP;
END $$;

-- The index over all months may lose a row only when the interaction's month itself is gone.
CREATE FUNCTION touchpoint.refuse_unless_expired() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass(format('touchpoint.interaction_%s', to_char(OLD.ended_at AT TIME ZONE 'UTC', '"y"YYYY"m"MM'))) IS NOT NULL THEN
        RAISE EXCEPTION 'DELETE on touchpoint.interaction_index is refused: interaction % has not expired', OLD.interaction_id
            USING ERRCODE = 'insufficient_privilege', HINT = 'Retention is touchpoint.drop_expired(date).';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER read_only_statement BEFORE UPDATE OR TRUNCATE ON touchpoint.interaction_index
    FOR EACH STATEMENT EXECUTE FUNCTION touchpoint.refuse_change();
CREATE TRIGGER read_only_row BEFORE DELETE ON touchpoint.interaction_index
    FOR EACH ROW EXECUTE FUNCTION touchpoint.refuse_unless_expired();
ALTER TABLE touchpoint.interaction_index ENABLE ALWAYS TRIGGER read_only_statement;
ALTER TABLE touchpoint.interaction_index ENABLE ALWAYS TRIGGER read_only_row;
