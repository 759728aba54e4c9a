#!/bin/sh
# Makes the logins of the worker and of the history's page, when PostgreSQL makes its database. Each may do what its role may, and no more.
set -eu
psql --set ON_ERROR_STOP=1 --set web="$WEB_PASSWORD" --set worker="$WORKER_PASSWORD" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE touchpoint_web NOLOGIN;
CREATE ROLE touchpoint_writer NOLOGIN;
CREATE ROLE web LOGIN PASSWORD :'web' IN ROLE touchpoint_web;
CREATE ROLE worker LOGIN PASSWORD :'worker' IN ROLE touchpoint_writer;
SQL
