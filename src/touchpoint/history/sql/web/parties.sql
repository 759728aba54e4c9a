SELECT * FROM touchpoint.search_parties($1, $2, $3, $4)
