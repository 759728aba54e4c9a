-- $1 the filter, $2 at most
SELECT ended_at, channel FROM touchpoint.viewed_contacts($1, $2)
