-- Who reads, as the web process says it and proves it. The process has a key that its login cannot read; a transaction's context
-- counts only with an HMAC under that key over the context and the transaction itself, so whoever has the login alone, by stolen
-- password or by SQL that was slipped in, sees nothing, and what was proved in one transaction proves nothing in another.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'touchpoint_web') THEN
        BEGIN
            CREATE ROLE touchpoint_web NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- another database's migration was first
        END;
    END IF;
END $$;
GRANT USAGE ON SCHEMA touchpoint TO touchpoint_web;

-- The key, as the two blocks that HMAC (RFC 2104) hashes first: SHA-256 is in the server, HMAC is in an extension. One row.
CREATE TABLE touchpoint.view_key (
    one    boolean     PRIMARY KEY DEFAULT true CHECK (one),
    inside bytea       NOT NULL,
    around bytea       NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now()
);

-- Sets the key that contexts are proved with; the one before counts no more. 32 bytes or more, at random.
CREATE FUNCTION touchpoint.set_view_key(key bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    block  bytea;
    inside bytea := decode(repeat('36', 64), 'hex');
    around bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    IF key IS NULL OR octet_length(key) < 32 THEN
        RAISE EXCEPTION 'a view key has at least 32 bytes, this one %', coalesce(octet_length(key), 0)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    block := CASE WHEN octet_length(key) > 64 THEN sha256(key) ELSE key END;
    FOR at IN 0 .. octet_length(block) - 1 LOOP
        inside := set_byte(inside, at, get_byte(block, at) # 54);
        around := set_byte(around, at, get_byte(block, at) # 92);
    END LOOP;
    INSERT INTO touchpoint.view_key (inside, around) VALUES (inside, around)
    ON CONFLICT (one) DO UPDATE SET inside = excluded.inside, around = excluded.around, set_at = now();
END $$;

-- What a proof is over, each part with its length, so that no two contexts are one text.
CREATE FUNCTION touchpoint.view_message(VARIADIC parts text[]) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT convert_to(string_agg(coalesce(octet_length(convert_to(part, 'UTF8')) || ':' || part, '-'), ',' ORDER BY place), 'UTF8')
    FROM unnest(parts) WITH ORDINALITY AS p (part, place)
$$;

CREATE FUNCTION touchpoint.view_proof(message bytea) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(sha256(k.around || sha256(k.inside || message)), 'hex') FROM touchpoint.view_key AS k
$$;

-- What this transaction is, for its proof: no other has the same process and the same start.
CREATE FUNCTION touchpoint.view_challenge() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_backend_pid() || '.' || (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint
$$;

CREATE TYPE touchpoint.view_context AS (
    tenant    text,
    role      text,    -- reader, agent, supervisor, auditor
    who       text,
    queues    text[],  -- NULL with NULL resources: everything; else what passed one of these queues or agents
    resources text[]
);

-- The context of this transaction, proved again; NULL where there is none, it is not proved, or it has expired. What anybody
-- writes into the setting is only text.
CREATE FUNCTION touchpoint.viewing() RETURNS touchpoint.view_context
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    claim   jsonb;
    context touchpoint.view_context;
BEGIN
    claim := nullif(current_setting('touchpoint.view', true), '')::jsonb;
    IF claim IS NULL OR jsonb_typeof(claim) <> 'object' THEN
        RETURN NULL;
    END IF;
    IF (claim ->> 'proof') IS DISTINCT FROM touchpoint.view_proof(touchpoint.view_message(
           'touchpoint view 1', touchpoint.view_challenge(), claim ->> 'tenant', claim ->> 'role', claim ->> 'who',
           claim ->> 'expires', claim ->> 'queues', claim ->> 'resources'))
       OR (claim ->> 'proof') IS NULL  -- there is no key
       OR to_timestamp((claim ->> 'expires')::bigint / 1000000.0) <= clock_timestamp() THEN
        RETURN NULL;
    END IF;
    context.tenant := claim ->> 'tenant';
    context.role := claim ->> 'role';
    context.who := claim ->> 'who';
    context.queues := ARRAY(SELECT jsonb_array_elements_text((claim ->> 'queues')::jsonb));
    context.resources := ARRAY(SELECT jsonb_array_elements_text((claim ->> 'resources')::jsonb));
    IF (claim ->> 'queues') IS NULL AND (claim ->> 'resources') IS NULL THEN
        context.queues := NULL;
        context.resources := NULL;
    END IF;
    RETURN context;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

-- Begins to read for `who`, until the transaction ends. `queues`, `resources`: JSON arrays as text, or NULL for all; `proof`:
-- HMAC-SHA-256 in hexadecimal under the view key, over `view_message` of this context and `view_challenge()`, `expires` being
-- in microseconds since 1970.
CREATE FUNCTION touchpoint.begin_view(
    tenant text, role text, who text, expires timestamptz, proof text, queues text DEFAULT NULL, resources text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('touchpoint.view', jsonb_build_object(
        'tenant', tenant, 'role', role, 'who', who, 'expires', (extract(epoch FROM expires) * 1000000)::bigint::text,
        'proof', proof, 'queues', queues, 'resources', resources)::text, true);
    IF touchpoint.viewing() IS NULL OR role NOT IN ('reader', 'agent', 'supervisor', 'auditor') THEN
        PERFORM set_config('touchpoint.view', '', true);
        RAISE EXCEPTION 'the view is refused: its proof is not for this transaction, or it has expired'
            USING ERRCODE = 'insufficient_privilege', HINT = 'TOUCHPOINT_WEB__KEY is set in the database by: touchpoint web key';
    END IF;
END $$;

-- Whether the viewer may see an interaction: it passed one of their queues or agents, if they are bound to some.
CREATE FUNCTION touchpoint.in_view(of_interaction uuid, ended timestamptz, queues text[], resources text[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT queues IS NULL
        OR EXISTS (SELECT FROM touchpoint.segment AS s WHERE s.interaction_id = of_interaction AND s.interaction_ended_at = ended
                   AND (s.queue = ANY (queues) OR s.resource_id = ANY (resources)))
        OR EXISTS (SELECT FROM touchpoint.activity AS a WHERE a.interaction_id = of_interaction
                   AND a.interaction_ended_at = ended AND a.resource_id = ANY (resources))
$$;

-- Who looked at whose history. Opaque keys alone; kept until `forget_accesses`.
CREATE TABLE touchpoint.access (
    accessed_at timestamptz NOT NULL DEFAULT now(),
    access_id   bigint      GENERATED ALWAYS AS IDENTITY,
    tenant      text        NOT NULL,
    who         text        NOT NULL,
    role        text        NOT NULL,
    by          text        NOT NULL,  -- api, page, export
    action      text        NOT NULL,
    target      text,                  -- an interaction, a media item, an object: what was asked for by its id
    party_keys  text[]      NOT NULL,  -- of the parties whose history was shown; of an export none: its filter is in `target`
    PRIMARY KEY (accessed_at, access_id)
);
CREATE INDEX ON touchpoint.access USING gin (party_keys);

CREATE FUNCTION touchpoint.log_access(by text, action text, target text, party_keys text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v touchpoint.view_context := touchpoint.viewing();
BEGIN
    IF v IS NULL THEN
        RAISE EXCEPTION 'no access is logged: no view has begun' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO touchpoint.access (tenant, who, role, by, action, target, party_keys)
    VALUES (v.tenant, v.who, v.role, log_access.by, log_access.action, left(log_access.target, 1000),
            coalesce(log_access.party_keys, '{}'));
END $$;

-- Removes accesses of before; returns how many. The last 30 days stay whoever asks.
CREATE FUNCTION touchpoint.forget_accesses(before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE removed bigint;
BEGIN
    DELETE FROM touchpoint.access WHERE accessed_at < least(before, now() - interval '30 days');
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;

-- Static tokens, by the SHA-256 of the token.
CREATE TABLE touchpoint.view_token (
    name       text        PRIMARY KEY,
    hash       bytea       NOT NULL UNIQUE,
    tenant     text        NOT NULL,
    role       text        NOT NULL CHECK (role IN ('reader', 'agent', 'supervisor', 'auditor')),
    queues     text[],
    resources  text[],
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION touchpoint.find_view_token(of_hash bytea)
RETURNS TABLE (name text, tenant text, role text, queues text[], resources text[], expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.name, t.tenant, t.role, t.queues, t.resources, t.expires_at
    FROM touchpoint.view_token AS t WHERE t.hash = of_hash AND t.expires_at > now()
$$;

REVOKE EXECUTE ON FUNCTION touchpoint.set_view_key(bytea), touchpoint.view_message(text[]), touchpoint.view_proof(bytea),
    touchpoint.view_challenge(), touchpoint.viewing(), touchpoint.begin_view(text, text, text, timestamptz, text, text, text),
    touchpoint.in_view(uuid, timestamptz, text[], text[]),
    touchpoint.log_access(text, text, text, text[]), touchpoint.forget_accesses(timestamptz),
    touchpoint.find_view_token(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touchpoint.view_challenge(), touchpoint.viewing(),
    touchpoint.begin_view(text, text, text, timestamptz, text, text, text), touchpoint.log_access(text, text, text, text[]),
    touchpoint.find_view_token(bytea) TO touchpoint_web;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA touchpoint TO touchpoint_admin;
GRANT SELECT ON touchpoint.access TO touchpoint_admin;
GRANT SELECT, INSERT, DELETE ON touchpoint.view_token TO touchpoint_admin;
