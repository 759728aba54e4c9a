#!/bin/sh
# Makes the login that serves the history's page, when PostgreSQL makes its database. Its role may see what is proved, and no more.
set -eu
psql --set ON_ERROR_STOP=1 --set password="$WEB_PASSWORD" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE touchpoint_web NOLOGIN;
CREATE ROLE web LOGIN PASSWORD :'password' IN ROLE touchpoint_web;
SQL
