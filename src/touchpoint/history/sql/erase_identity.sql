-- $1 tenant, $2 party ids, $3 addresses, $4 party_address_ids: each is compared with its own kind alone, since a party id may be
-- spelt as an address is. A party goes with all its addresses, an address with its party.
WITH parties AS (
    SELECT party_id FROM touchpoint.party_address
    WHERE tenant = $1 AND (address = ANY ($3) OR party_address_id = ANY ($4)) AND party_id IS NOT NULL
    UNION SELECT unnest($2::text[])
), gone_parties AS (
    DELETE FROM touchpoint.party WHERE tenant = $1 AND party_id IN (SELECT party_id FROM parties) RETURNING 1
), gone_addresses AS (
    DELETE FROM touchpoint.party_address
    WHERE tenant = $1 AND (address = ANY ($3) OR party_address_id = ANY ($4) OR party_id IN (SELECT party_id FROM parties))
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone_parties)::integer AS parties, (SELECT count(*) FROM gone_addresses)::integer AS addresses
