-- $1 tenants and $2 keys, pairwise; a key is an address, a party_address_id or a party id
DELETE FROM touchpoint.party_address AS known USING unnest($1::text[], $2::text[]) AS gone (tenant, key)
WHERE known.tenant = gone.tenant AND gone.key IN (known.address, known.party_address_id::text, known.party_id)
