INSERT INTO touchpoint.view_token (name, hash, tenant, role, queues, resources, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
