-- Identity: the only tables with a person's names, numbers and addresses. They may change; erasing a person empties them.
-- `seen_at` is the event time of what is known, so that a replay of old news does not displace newer.

CREATE TABLE touchpoint.party (
    tenant     text        NOT NULL,
    party_id   text        NOT NULL,
    account_id text,
    name       text,
    seen_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id)
);

CREATE TABLE touchpoint.party_address (
    party_address_id uuid        PRIMARY KEY,
    tenant           text        NOT NULL,
    address          text        NOT NULL,
    party_id         text,
    name             text,       -- of a party that has no id
    seen_at          timestamptz NOT NULL
);
CREATE INDEX ON touchpoint.party_address USING hash (address);  -- an address may be longer than a b-tree entry
CREATE INDEX ON touchpoint.party_address (tenant, party_id) WHERE party_id IS NOT NULL;

CREATE TABLE touchpoint.resource (
    tenant      text        NOT NULL,
    resource_id text        NOT NULL,
    name        text,
    seen_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant, resource_id)
);
