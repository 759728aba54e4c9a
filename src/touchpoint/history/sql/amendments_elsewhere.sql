-- $1 interaction ids: what came after their close and is stored with a later interaction of the address, in order of time
SELECT interaction_id::text, json_build_object('interaction_id', stored_with, 'seq', seq, 'kind', kind, 'payload', payload, 'event_id', event_id)
FROM touchpoint.interaction_amendment
WHERE interaction_id = ANY ($1::uuid[]) AND stored_with <> interaction_id
ORDER BY (payload ->> 'time')::timestamptz, event_id
