-- The functions that read find what the named tenant has, by an interaction's id too: it found that of any tenant.

CREATE OR REPLACE FUNCTION touchpoint.find_interaction(of_tenant text, wanted text)
RETURNS TABLE (interaction_id uuid, ended_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT i.interaction_id, i.ended_at
    FROM touchpoint.interaction_index AS x
    JOIN touchpoint.interaction AS i ON i.interaction_id = x.interaction_id AND i.ended_at = x.ended_at
    WHERE x.interaction_id = CASE WHEN wanted ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN wanted::uuid END
      AND i.tenant = of_tenant
    UNION
    SELECT m.interaction_id, m.interaction_ended_at FROM touchpoint.media_item AS m
    WHERE m.tenant = of_tenant AND m.media_item_id = wanted
    ORDER BY ended_at DESC LIMIT 1
$$;

CREATE OR REPLACE FUNCTION touchpoint.find_interactions(of_tenant text, wanted text[], since timestamptz, at_most integer)
RETURNS TABLE (interaction_id uuid, ended_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH ids AS (
        SELECT party_id FROM touchpoint.party WHERE tenant = of_tenant AND party_id = ANY (wanted)
        UNION SELECT party_id FROM touchpoint.party_address
        WHERE tenant = of_tenant AND address = ANY (wanted) AND party_id IS NOT NULL
    ), addresses AS (
        SELECT party_address_id FROM touchpoint.party_address
        WHERE tenant = of_tenant AND (address = ANY (wanted) OR party_id IN (SELECT party_id FROM ids))
    )
    SELECT i.interaction_id, i.ended_at FROM touchpoint.interaction AS i
    WHERE i.tenant = of_tenant AND i.party_id IN (SELECT party_id FROM ids) AND i.ended_at >= coalesce(since, '-infinity')
    UNION
    SELECT i.interaction_id, i.ended_at FROM touchpoint.interaction AS i
    WHERE i.tenant = of_tenant AND i.party_address_id IN (SELECT party_address_id FROM addresses)
      AND i.ended_at >= coalesce(since, '-infinity')
    UNION
    SELECT m.interaction_id, m.interaction_ended_at FROM touchpoint.media_item AS m
    WHERE m.tenant = of_tenant AND m.party_address_id IN (SELECT party_address_id FROM addresses)
      AND m.interaction_ended_at >= coalesce(since, '-infinity')
    ORDER BY ended_at DESC, interaction_id LIMIT at_most
$$;
