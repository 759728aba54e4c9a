-- Months, in UTC. There is no default partition: it would have to be scanned, and could not be cut, for each new month.

-- Makes the partitions of `months` months from that of `first` on, where they are missing; returns how many months it made.
-- SECURITY DEFINER, so that a writer that may only insert can still store a backfill of any month.
CREATE FUNCTION touchpoint.ensure_partitions(first date, months integer DEFAULT 1) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    month    date := date_trunc('month', first)::date;
    stop     date := (date_trunc('month', first) + make_interval(months => months))::date;
    relation text;
    part     text;
    made     integer := 0;
BEGIN
    IF first IS NULL OR months IS NULL OR month < '1970-01-01' OR stop > '2101-01-01' THEN
        RAISE EXCEPTION 'months from % to % are outside of 1970 to 2100', month, stop USING ERRCODE = 'datetime_field_overflow';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('touchpoint.ensure_partitions'));  -- two writers, one new month
    WHILE month < stop LOOP
        IF to_regclass(format('touchpoint.amendment_%s', to_char(month, '"y"YYYY"m"MM'))) IS NULL THEN
            FOREACH relation IN ARRAY touchpoint.closed_tables() LOOP
                part := relation || to_char(month, '"_y"YYYY"m"MM');
                -- made apart and attached: CREATE ... PARTITION OF would stop every reader and writer of the table
                EXECUTE format('CREATE TABLE touchpoint.%I (LIKE touchpoint.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, relation);
                PERFORM touchpoint.protect_statements(part);
                EXECUTE format('ALTER TABLE touchpoint.%I ATTACH PARTITION touchpoint.%I FOR VALUES FROM (%L) TO (%L)',
                               relation, part, month::timestamptz, (month + interval '1 month')::timestamptz);
            END LOOP;
            made := made + 1;
        END IF;
        month := (month + interval '1 month')::date;
    END LOOP;
    RETURN made;
END $$;

-- Retention: drops every month that ended at or before `before`; returns the months dropped. Identity tables are not touched.
CREATE FUNCTION touchpoint.drop_expired(before date) RETURNS SETOF date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    month    date;
    relation text;
    last_cut date;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('touchpoint.ensure_partitions'));
    FOR month IN
        SELECT to_date(substring(c.relname FROM '_y(\d{4}m\d\d)$'), 'YYYY"m"MM')
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'touchpoint.interaction'::regclass ORDER BY 1
    LOOP
        EXIT WHEN month + interval '1 month' > before;
        FOREACH relation IN ARRAY touchpoint.closed_tables() LOOP
            EXECUTE format('DROP TABLE touchpoint.%I', relation || to_char(month, '"_y"YYYY"m"MM'));
        END LOOP;
        last_cut := (month + interval '1 month')::date;
        RETURN NEXT month;
    END LOOP;
    DELETE FROM touchpoint.interaction_index WHERE ended_at < last_cut::timestamptz;
END $$;
