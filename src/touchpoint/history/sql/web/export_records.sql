-- $1 the filter. The order is that of search_interactions: a nested loop keeps it.
SELECT (SELECT r.record FROM touchpoint.web_record AS r WHERE r.interaction_id = s.interaction_id AND r.ended_at = s.ended_at)
FROM touchpoint.search_interactions($1) AS s
