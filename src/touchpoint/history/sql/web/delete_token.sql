DELETE FROM touchpoint.view_token WHERE name = $1 RETURNING true
