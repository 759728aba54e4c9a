-- $1 relations and $2 rights, together: those that the current user lacks; NULL as the right for a relation that is missing
SELECT relation, CASE WHEN found IS NOT NULL THEN wanted END
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS needed (relation, wanted, place)
CROSS JOIN LATERAL (SELECT to_regclass('touchpoint.' || relation) AS found) AS f
WHERE found IS NULL OR NOT CASE wanted WHEN 'SELECT' THEN has_any_column_privilege(found, wanted) ELSE has_table_privilege(found, wanted) END
ORDER BY place
