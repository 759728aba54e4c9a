-- $1 tenants, $2 requests and $3 party keys, together
SELECT tenant, request, party_key FROM touchpoint.erasure
JOIN unnest($1::text[], $2::text[], $3::text[]) AS asked (tenant, request, party_key) USING (tenant, request, party_key)
