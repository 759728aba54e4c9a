-- Each name, account and party of an address has the time from which it is known, so that the latest stands in whatever order
-- they are stored. NULL: written before this migration, or by a worker of before it; `seen_at` counts then.

ALTER TABLE touchpoint.party ADD COLUMN account_at timestamptz, ADD COLUMN name_at timestamptz;
ALTER TABLE touchpoint.party_address ADD COLUMN party_at timestamptz, ADD COLUMN name_at timestamptz;

-- An interaction that began before its party's erasure and is stored after it brings no identity back.
CREATE INDEX ON touchpoint.erasure (tenant, party_key);
