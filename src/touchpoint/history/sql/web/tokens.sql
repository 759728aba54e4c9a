SELECT name, tenant, role, queues, resources, expires_at FROM touchpoint.view_token ORDER BY name
