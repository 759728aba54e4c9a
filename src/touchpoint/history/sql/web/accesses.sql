-- $1 the opaque key of a party, or NULL
SELECT accessed_at, who, role, by, action, target, party_keys FROM touchpoint.web_access
WHERE $1::text IS NULL OR party_keys @> ARRAY[$1::text]
ORDER BY accessed_at DESC, access_id DESC LIMIT 200
