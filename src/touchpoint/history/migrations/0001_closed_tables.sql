-- The closed record (contract.md, 5). Every table is cut into months by the end of the interaction it belongs to, so that
-- one interaction stands in one month of every table and retention drops whole months.
-- `position` keeps the order in which the record lists its members.

CREATE TABLE touchpoint.interaction (
    interaction_id        uuid        NOT NULL,
    tenant                text        NOT NULL,
    party_key             text        NOT NULL,
    party_id              text,
    account_id            text,
    channel               text,
    channels              text[]      NOT NULL,
    direction             text,
    started_at            timestamptz NOT NULL,
    ended_at              timestamptz NOT NULL,
    duration_ms           bigint      NOT NULL,
    resource_id           text,
    outcome               text,
    result                text,
    reason                text,
    follow_up             text,
    campaign              text,
    parent_interaction_id uuid,
    closed_by             text        NOT NULL,
    flags                 text[]      NOT NULL,
    content_hash          text        NOT NULL,
    party_address_id      uuid,                 -- of the address by which the party was known, if by any
    recorded_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (interaction_id, ended_at)
) PARTITION BY RANGE (ended_at);
CREATE INDEX ON touchpoint.interaction (tenant, party_id, ended_at) WHERE party_id IS NOT NULL;
CREATE INDEX ON touchpoint.interaction (tenant, party_key, ended_at);
CREATE INDEX ON touchpoint.interaction (party_address_id) WHERE party_address_id IS NOT NULL;
CREATE INDEX ON touchpoint.interaction USING brin (ended_at);

-- A unique key over a partitioned table must hold its partition key, so it alone would let a second version of an
-- interaction in if that ended at another instant. This index over all months is what makes an interaction unique.
CREATE TABLE touchpoint.interaction_index (
    interaction_id uuid        PRIMARY KEY,
    ended_at       timestamptz NOT NULL,
    content_hash   text        NOT NULL
);

CREATE TABLE touchpoint.media_item (
    interaction_id       uuid        NOT NULL,
    interaction_ended_at timestamptz NOT NULL,
    tenant               text        NOT NULL,
    position             integer     NOT NULL,
    media_item_id        text        NOT NULL,
    channel              text        NOT NULL,
    direction            text,
    party_address_id     uuid,
    dialed               text,
    campaign             text,
    thread_id            text,
    started_at           timestamptz NOT NULL,
    ended_at             timestamptz NOT NULL,
    queue_wait_ms        bigint      NOT NULL,
    ring_ms              bigint      NOT NULL,
    talk_ms              bigint      NOT NULL,
    hold_ms              bigint      NOT NULL,
    acw_ms               bigint,               -- NULL: not known, which is not zero
    handle_ms            bigint      NOT NULL,
    speed_of_answer_ms   bigint,
    abandoned            text,
    transferred          boolean     NOT NULL,
    conferenced          boolean     NOT NULL,
    end_reason           text,
    pages                integer,
    messages_customer    integer     NOT NULL,
    messages_agent       integer     NOT NULL,
    first_response_ms    bigint,
    flags                text[]      NOT NULL,
    PRIMARY KEY (interaction_id, media_item_id, interaction_ended_at)
) PARTITION BY RANGE (interaction_ended_at);
CREATE INDEX ON touchpoint.media_item (party_address_id) WHERE party_address_id IS NOT NULL;
CREATE INDEX ON touchpoint.media_item (media_item_id);

CREATE TABLE touchpoint.segment (
    interaction_id       uuid        NOT NULL,
    interaction_ended_at timestamptz NOT NULL,
    media_item_id        text        NOT NULL,
    position             integer     NOT NULL,
    segment_id           uuid        NOT NULL,
    type                 text        NOT NULL,
    track                text        NOT NULL,
    depth                smallint    NOT NULL,
    parent_segment_id    uuid,
    started_at           timestamptz NOT NULL,
    ended_at             timestamptz NOT NULL,
    duration_ms          bigint      NOT NULL,
    queue                text,
    resource_id          text,
    end_reason           text,
    conference           boolean     NOT NULL,
    transferred_from     text,
    provenance           text        NOT NULL,
    opened_by            text,
    closed_by            text,
    opened_rule          smallint,
    closed_rule          smallint,
    PRIMARY KEY (interaction_id, segment_id, interaction_ended_at)
) PARTITION BY RANGE (interaction_ended_at);
CREATE INDEX ON touchpoint.segment (queue, started_at) WHERE type = 'queue';

CREATE TABLE touchpoint.activity (
    interaction_id       uuid        NOT NULL,
    interaction_ended_at timestamptz NOT NULL,
    position             integer     NOT NULL,
    activity_id          text        NOT NULL,
    media_item_id        text,
    action               text,
    resource_id          text,
    started_at           timestamptz NOT NULL,
    ended_at             timestamptz NOT NULL,
    outcome              text,
    result               text,
    reason               text,
    PRIMARY KEY (interaction_id, activity_id, interaction_ended_at)
) PARTITION BY RANGE (interaction_ended_at);

CREATE TABLE touchpoint.interaction_object (
    interaction_id       uuid        NOT NULL,
    interaction_ended_at timestamptz NOT NULL,
    position             integer     NOT NULL,
    activity_id          text,
    object_type          text        NOT NULL,
    object_id            text        NOT NULL,
    object_action        text,
    PRIMARY KEY (interaction_id, position, interaction_ended_at)
) PARTITION BY RANGE (interaction_ended_at);
CREATE INDEX ON touchpoint.interaction_object (object_type, object_id);

CREATE TABLE touchpoint.interaction_resource (
    interaction_id       uuid        NOT NULL,
    interaction_ended_at timestamptz NOT NULL,
    position             integer     NOT NULL,
    resource_id          text        NOT NULL,
    talk_ms              bigint      NOT NULL,
    hold_ms              bigint      NOT NULL,
    acw_ms               bigint,
    handle_ms            bigint      NOT NULL,
    PRIMARY KEY (interaction_id, resource_id, interaction_ended_at)
) PARTITION BY RANGE (interaction_ended_at);

CREATE TABLE touchpoint.amendment (
    interaction_id       uuid        NOT NULL,
    interaction_ended_at timestamptz NOT NULL,
    seq                  integer     NOT NULL,
    kind                 text        NOT NULL,
    payload              jsonb       NOT NULL,
    event_id             text        NOT NULL,
    recorded_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (interaction_id, event_id, interaction_ended_at)
) PARTITION BY RANGE (interaction_ended_at);
