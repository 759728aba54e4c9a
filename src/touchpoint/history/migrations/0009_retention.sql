-- Bounds on making months, and retention that drops one month at a time.

-- The months of the closed record, oldest first.
CREATE FUNCTION touchpoint.months() RETURNS SETOF date LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT to_date(substring(c.relname FROM '_y(\d{4}m\d\d)$'), 'YYYY"m"MM')
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'touchpoint.interaction'::regclass AND c.relname ~ '^interaction_y\d{4}m\d\d$' ORDER BY 1
$$;

-- As before, within bounds, since the writer may call it:
-- * 24 months a call, and no further month once the transaction holds 3,000 locks (a month takes about 60): the lock table of a
--   server with default settings has 6,400 entries for all sessions, and a full one stops every session;
-- * 400 months altogether: a query that names no month locks some ten relations for each. The two years before and the one
--   after now are always made, so that months made for wrong times never keep out the present.
CREATE OR REPLACE FUNCTION touchpoint.ensure_partitions(first date, months integer DEFAULT 1) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    month    date := date_trunc('month', first)::date;
    stop     date;
    today    date := date_trunc('month', now())::date;
    existing integer;
    relation text;
    part     text;
    made     integer := 0;
BEGIN
    IF months > 24 THEN
        RAISE EXCEPTION '% months are too many for one call: at most 24', months USING ERRCODE = 'invalid_parameter_value';
    END IF;
    stop := (date_trunc('month', first) + make_interval(months => months))::date;
    IF first IS NULL OR months IS NULL OR month < '1970-01-01' OR stop > '2101-01-01' THEN
        RAISE EXCEPTION 'months from % to % are outside of 1970 to 2100', month, stop USING ERRCODE = 'datetime_field_overflow';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('touchpoint.ensure_partitions'));  -- two writers, one new month
    existing := (SELECT count(*) FROM touchpoint.months());
    WHILE month < stop LOOP
        IF to_regclass(format('touchpoint.amendment_%s', to_char(month, '"y"YYYY"m"MM'))) IS NULL THEN
            IF existing + made >= 400 AND NOT month BETWEEN today - interval '24 months' AND today + interval '13 months' THEN
                RAISE EXCEPTION 'the month of % is not made: the history has % months already', month, existing + made
                    USING ERRCODE = 'program_limit_exceeded',
                          HINT = 'Drop months that have expired: touchpoint partitions --drop-before.';
            END IF;
            IF (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()) > 3000 THEN
                RAISE EXCEPTION 'the month of % is not made: this transaction holds too many locks', month
                    USING ERRCODE = 'configuration_limit_exceeded', HINT = 'Commit, and make further months then.';
            END IF;
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

-- The first of the months that are dropped only by confirmation: this month and the twelve before it, which any comparison
-- with the same month of last year needs.
CREATE FUNCTION touchpoint.first_month_kept() RETURNS date
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT (date_trunc('month', now()) - interval '12 months')::date
$$;

-- The months that ended at or before `before`, oldest first, with the interactions in them and the size of all their tables.
-- `kept`: dropped only by confirmation.
CREATE FUNCTION touchpoint.expired_months(before date)
RETURNS TABLE (month date, interactions bigint, bytes bigint, kept boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    IF before IS NULL OR before > now()::date THEN
        RAISE EXCEPTION 'months before % are not dropped: that day is still to come', before
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR month IN SELECT m FROM touchpoint.months() AS m WHERE m + interval '1 month' <= before LOOP
        EXECUTE format('SELECT count(*) FROM touchpoint.%I', to_char(month, '"interaction_y"YYYY"m"MM')) INTO interactions;
        bytes := (SELECT sum(pg_total_relation_size(format('touchpoint.%I', relation || to_char(month, '"_y"YYYY"m"MM'))::regclass))
                  FROM unnest(touchpoint.closed_tables()) AS relation);
        kept := month >= touchpoint.first_month_kept();
        RETURN NEXT;
    END LOOP;
END $$;

-- Drops one month of every closed table. It needs each table for itself, waits for them no longer than a second altogether, and
-- fails with lock_not_available then: whoever waits behind it waits no longer either. So call it again, in a transaction of its own.
CREATE FUNCTION touchpoint.drop_month(month date, confirmed boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '1s' AS $$
DECLARE
    deadline timestamptz := clock_timestamp() + interval '1 second';
    name     text;
BEGIN
    IF month IS NULL OR month <> date_trunc('month', month) OR month + interval '1 month' > now() THEN
        RAISE EXCEPTION '% is not dropped: it is not the first day of a month that has ended', month
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF confirmed IS NOT TRUE AND month >= touchpoint.first_month_kept() THEN
        RAISE EXCEPTION 'the month of % is not dropped: months from % on are kept', month, touchpoint.first_month_kept()
            USING ERRCODE = 'invalid_parameter_value', HINT = 'To drop it all the same, pass confirmed => true.';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('touchpoint.ensure_partitions'));
    IF to_regclass(format('touchpoint.interaction_%s', to_char(month, '"y"YYYY"m"MM'))) IS NULL THEN
        RETURN;  -- dropped already, as by another administrator at the same time
    END IF;
    FOR name IN SELECT relation || part FROM unnest(touchpoint.closed_tables()) WITH ORDINALITY AS t (relation, place),
                unnest(ARRAY['', to_char(month, '"_y"YYYY"m"MM')]) WITH ORDINALITY AS p (part, step) ORDER BY place, step LOOP
        PERFORM set_config('lock_timeout', greatest(1, extract(epoch FROM deadline - clock_timestamp()) * 1000)::integer || 'ms', true);
        EXECUTE format('LOCK TABLE ONLY touchpoint.%I IN ACCESS EXCLUSIVE MODE', name);
    END LOOP;
    FOREACH name IN ARRAY touchpoint.closed_tables() LOOP
        EXECUTE format('DROP TABLE touchpoint.%I', name || to_char(month, '"_y"YYYY"m"MM'));
    END LOOP;
END $$;

-- Removes from the index over all months what was in months that are gone; returns how many. Apart from `drop_month`, because
-- it may take long and locks nobody out.
CREATE FUNCTION touchpoint.forget_dropped() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE removed bigint;
BEGIN
    DELETE FROM touchpoint.interaction_index AS i
    WHERE date_trunc('month', i.ended_at)::date NOT IN (SELECT m FROM touchpoint.months() AS m)
      AND NOT EXISTS (SELECT FROM touchpoint.interaction AS stored  -- in a partition that was made by hand
                      WHERE stored.interaction_id = i.interaction_id AND stored.ended_at = i.ended_at);
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;

-- Retention by hand: drops the twelve oldest of the months that ended at or before `before`, in one transaction; returns them.
-- `touchpoint partitions --drop-before` does the same month by month.
DROP FUNCTION touchpoint.drop_expired(date);
CREATE FUNCTION touchpoint.drop_expired(before date, confirmed boolean DEFAULT false) RETURNS SETOF date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE month date;
BEGIN
    FOR month IN SELECT e.month FROM touchpoint.expired_months(before) AS e LIMIT 12 LOOP
        PERFORM touchpoint.drop_month(month, confirmed);
        RETURN NEXT month;
    END LOOP;
    PERFORM touchpoint.forget_dropped();
END $$;

REVOKE EXECUTE ON FUNCTION touchpoint.months(), touchpoint.first_month_kept(), touchpoint.expired_months(date),
    touchpoint.drop_month(date, boolean), touchpoint.forget_dropped(), touchpoint.drop_expired(date, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touchpoint.months(), touchpoint.first_month_kept(), touchpoint.expired_months(date),
    touchpoint.drop_month(date, boolean), touchpoint.forget_dropped(), touchpoint.drop_expired(date, boolean) TO touchpoint_admin;
