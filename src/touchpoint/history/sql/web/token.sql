SELECT * FROM touchpoint.find_view_token($1)
