SELECT has_table_privilege('touchpoint.interaction', 'SELECT') OR has_table_privilege('touchpoint.view_key', 'SELECT') AS reads_all
