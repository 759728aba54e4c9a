INSERT INTO touchpoint.erasure (tenant, request, party_key, requested_at, parties, addresses)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
