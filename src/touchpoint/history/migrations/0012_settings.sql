-- What workers must agree on: a fingerprint of the secret, of the whole database ('' as the application), and each
-- application's limits. No value is secret or personal.

CREATE TABLE touchpoint.setting (
    app_id text        NOT NULL,
    name   text        NOT NULL,
    value  text        NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, name)
);
GRANT SELECT, INSERT, UPDATE ON touchpoint.setting TO touchpoint_writer;
GRANT SELECT ON touchpoint.setting TO touchpoint_admin;
