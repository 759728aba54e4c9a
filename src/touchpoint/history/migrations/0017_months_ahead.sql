-- Months that lie ahead and have nothing in them, as a wrong clock makes them, can be dropped: they count for the bound of 400,
-- and each costs every query that names no month some ten locks. One that has a row stays until it has ended.

-- The months that begin after `beyond`, of those that lie ahead, oldest first, with the interactions in them; `empty`: no table of
-- the month has a row.
CREATE FUNCTION touchpoint.months_ahead(beyond date)
RETURNS TABLE (month date, interactions bigint, is_empty boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    FOR month IN SELECT m FROM touchpoint.months() AS m WHERE m > greatest(beyond, now()::date) LOOP
        EXECUTE format('SELECT count(*) FROM touchpoint.%I', to_char(month, '"interaction_y"YYYY"m"MM')) INTO interactions;
        is_empty := touchpoint.is_empty(month);
        RETURN NEXT;
    END LOOP;
END $$;

CREATE FUNCTION touchpoint.is_empty(month date) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation text;
    found    boolean;
BEGIN
    FOREACH relation IN ARRAY touchpoint.closed_tables() LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM touchpoint.%I)', relation || to_char(month, '"_y"YYYY"m"MM')) INTO found;
        IF found THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END $$;

-- Drops a month that lies ahead and has no row; as `drop_month`, to be called again where it fails with lock_not_available.
CREATE FUNCTION touchpoint.drop_empty_month(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '1s' AS $$
DECLARE
    deadline timestamptz := clock_timestamp() + interval '1 second';
    name     text;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'no month is dropped in a transaction that does not see what others commit'
            USING ERRCODE = 'active_sql_transaction';
    END IF;
    IF month IS NULL OR month <> date_trunc('month', month) OR month <= now() THEN
        RAISE EXCEPTION '% is not dropped: it is not the first day of a month that lies ahead', month
            USING ERRCODE = 'invalid_parameter_value';
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
    IF NOT touchpoint.is_empty(month) THEN
        RAISE EXCEPTION 'the month of % is not dropped: it has rows', month USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOREACH name IN ARRAY touchpoint.closed_tables() LOOP
        EXECUTE format('DROP TABLE touchpoint.%I', name || to_char(month, '"_y"YYYY"m"MM'));
    END LOOP;
END $$;

REVOKE EXECUTE ON FUNCTION touchpoint.months_ahead(date), touchpoint.is_empty(date), touchpoint.drop_empty_month(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touchpoint.months_ahead(date), touchpoint.is_empty(date), touchpoint.drop_empty_month(date) TO touchpoint_admin;
