SELECT touchpoint.log_access($1, $2, $3, $4)
