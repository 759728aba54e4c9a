-- $1 tenants and $2 party ids, pairwise
DELETE FROM touchpoint.party AS known USING unnest($1::text[], $2::text[]) AS gone (tenant, party_id)
WHERE known.tenant = gone.tenant AND known.party_id = gone.party_id
