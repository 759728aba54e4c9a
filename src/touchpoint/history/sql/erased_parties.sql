-- $1 tenants and $2 party keys, together: since when each that was erased on request is forgotten
SELECT tenant, party_key, max(coalesce(requested_at, erased_at)) FROM touchpoint.erasure
JOIN (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS u (tenant, party_key)) AS asked USING (tenant, party_key)
GROUP BY tenant, party_key
