-- What was erased on request, without a word of whom: the request, when, and how many rows of identity went.

CREATE TABLE touchpoint.erasure (
    tenant       text        NOT NULL,
    request      text        NOT NULL,
    party_key    text        NOT NULL,  -- opaque; a request about an address goes on to the party that it is known as
    requested_at timestamptz,
    parties      integer     NOT NULL,
    addresses    integer     NOT NULL,
    erased_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, request, party_key)
);
GRANT SELECT, INSERT ON touchpoint.erasure TO touchpoint_writer;
GRANT SELECT ON touchpoint.erasure TO touchpoint_admin;
