-- $1 interaction ids
SELECT record FROM touchpoint.interaction_record WHERE interaction_id = ANY ($1::uuid[])
