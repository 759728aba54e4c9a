-- What every view and every column of it says, for BI tools and docs/reference/views.md, which is generated from here.

COMMENT ON VIEW touchpoint.interaction_history IS 'An interaction, as an agent reads it. A line each.';
COMMENT ON VIEW touchpoint.media_item_timeline IS 'A segment of a media item, in order, with its offset from the start of the item.';
COMMENT ON VIEW touchpoint.interaction_record IS 'The whole record of an interaction as JSON, as `touchpoint stitch` prints it, with names.';
COMMENT ON VIEW touchpoint.interaction_amendment IS 'A fact that came after the close, at each interaction that it concerns.';
COMMENT ON VIEW touchpoint.queue_wait IS 'A wait in a queue: every queue segment of every media item.';
COMMENT ON VIEW touchpoint.agent_work IS 'A segment on the track of an agent: ringing, connected, on hold, wrap-up and so on.';
COMMENT ON VIEW touchpoint.queue_interval IS 'A queue in 15 minutes (UTC). `touchpoint.queue_intervals` has the same of any period, length and zone.';
COMMENT ON VIEW touchpoint.agent_interval IS 'An agent in 15 minutes (UTC). `touchpoint.agent_intervals` has the same of any period, length and zone.';
COMMENT ON VIEW touchpoint.channel_interval IS 'The media items of a channel and direction in 15 minutes (UTC). `touchpoint.channel_intervals` has the same of any period, length and zone.';
COMMENT ON VIEW touchpoint.media_item_reconciliation IS 'Whether the parts of a media item add up to it. Every difference is 0; events with microseconds may leave 1 ms for each segment.';
COMMENT ON VIEW touchpoint.report_reconciliation IS 'Whether the reports add up to the media items: a row for each tenant and rule. It reads everything that is stored.';
COMMENT ON VIEW touchpoint.viewed_interaction IS 'Internal: the interactions that the context of `begin_view` may see.';
COMMENT ON VIEW touchpoint.web_record IS 'For `touchpoint_web`: `interaction_record` of the context, masked by its role.';
COMMENT ON VIEW touchpoint.web_interaction IS 'For `touchpoint_web`: `interaction_history` of the context, masked by its role.';
COMMENT ON VIEW touchpoint.web_amendment IS 'For `touchpoint_web`: `interaction_amendment` of the context.';
COMMENT ON VIEW touchpoint.web_access IS 'For `touchpoint_web`: who looked at whose history in the tenant, for an auditor.';

COMMENT ON FUNCTION touchpoint.queue_intervals(text, timestamptz, timestamptz, interval, text, text[]) IS
    'The columns of `queue_interval`, of the intervals that overlap the period, each whole. A NULL tenant: all; `queues`: these alone.';
COMMENT ON FUNCTION touchpoint.agent_intervals(text, timestamptz, timestamptz, interval, text, text[], text[]) IS
    'The columns of `agent_interval`, of the intervals that overlap the period, each whole. A NULL tenant: all; `only_agents`: these alone, and in interactions that passed one of `queues` everyone.';
COMMENT ON FUNCTION touchpoint.channel_intervals(text, timestamptz, timestamptz, interval, text) IS
    'The columns of `channel_interval`, of the intervals that overlap the period, each whole. A NULL tenant: all.';
COMMENT ON FUNCTION touchpoint.interval_bounds(timestamptz, timestamptz, interval, text) IS
    'The starts of the intervals that overlap a period, and the end of the last. `length`: minutes that divide a day, 1 day, 1 week (from Monday) or 1 month, by the clock of the zone.';

DO $$
DECLARE
    said record;
    seen name;
BEGIN
    FOR said IN
        SELECT * FROM (VALUES
            ('*', 'tenant', 'the tenant'),
            ('*', 'interaction_id', 'the interaction'),
            ('*', 'interaction_ended_at', 'end of the interaction, by which tables are cut into months'),
            ('*', 'media_item_id', 'the media item, by the id that its source gave it'),
            ('*', 'segment_id', 'the segment'),
            ('*', 'channel', 'channel of the media item'),
            ('*', 'direction', '`inbound`, `outbound`, `internal` or NULL'),
            ('*', 'campaign', 'the campaign, if any'),
            ('*', 'interval_start', 'first instant of the interval'),
            ('*', 'interval_end', 'first instant behind the interval'),
            ('*', 'queue', 'name of the queue'),
            ('*', 'resource_id', 'the agent'),
            ('interaction_history', 'started_at', 'earliest start of its media items and activities'),
            ('interaction_history', 'ended_at', 'latest end of them, wrap-ups among them'),
            ('interaction_history', 'duration_ms', 'from the one to the other'),
            ('interaction_history', 'party', 'name, else address, else id, else a part of the opaque key; after an erasure only the last two are left'),
            ('interaction_history', 'party_name', 'name of the party, as known now'),
            ('interaction_history', 'party_address', 'address by which the party was known, as known now'),
            ('interaction_history', 'party_id', 'id of the party, if it was identified'),
            ('interaction_history', 'party_key', 'opaque key of the party'),
            ('interaction_history', 'account_id', 'account of the party, as known now, else as it was at the close'),
            ('interaction_history', 'channel', 'channel of the first media item; NULL for activities only'),
            ('interaction_history', 'channels', 'channels of all media items'),
            ('interaction_history', 'resource_id', 'the first agent'),
            ('interaction_history', 'first_agent', 'name of the first agent, else the id'),
            ('interaction_history', 'media_items', 'how many media items'),
            ('interaction_history', 'wait_ms', 'waits in queues, of all media items'),
            ('interaction_history', 'talk_ms', 'time that the customer talked to agents, of all media items'),
            ('interaction_history', 'hold_ms', 'time that the customer was on hold, of all media items'),
            ('interaction_history', 'handle_ms', 'handling by agents, of all media items'),
            ('interaction_history', 'abandoned', 'class of abandonment of the first media item that has one'),
            ('interaction_history', 'transferred', 'whether a media item was transferred'),
            ('interaction_history', 'outcome', 'what came of it'),
            ('interaction_history', 'result', 'its result'),
            ('interaction_history', 'reason', 'why'),
            ('interaction_history', 'follow_up', 'what is to follow'),
            ('interaction_history', 'summary', 'media items and activities in words'),
            ('interaction_history', 'parent_interaction_id', 'the interaction that it follows'),
            ('interaction_history', 'closed_by', '`quiet`, `requested` or `limit`'),
            ('interaction_history', 'flags', 'flags of the interaction'),
            ('interaction_history', 'recorded_at', 'when it was stored'),
            ('interaction_history', 'amendments', 'how many amendments are stored with it'),
            ('media_item_timeline', 'media_item_started_at', 'start of the media item'),
            ('media_item_timeline', 'position', 'place of the segment in the media item, from 0'),
            ('media_item_timeline', 'offset_ms', 'from the start of the media item to that of the segment'),
            ('media_item_timeline', 'duration_ms', 'length of the segment'),
            ('media_item_timeline', 'type', 'type of the segment'),
            ('media_item_timeline', 'track', '`customer`, or the agent'),
            ('media_item_timeline', 'depth', '1: within a segment of the same track'),
            ('media_item_timeline', 'queue', 'name of the queue, of a wait'),
            ('media_item_timeline', 'resource_id', 'the agent, of a segment that has one'),
            ('media_item_timeline', 'resource_name', 'name of the agent'),
            ('media_item_timeline', 'end_reason', 'why it ended'),
            ('media_item_timeline', 'conference', 'whether several agents were connected'),
            ('media_item_timeline', 'transferred_from', 'the agent who transferred'),
            ('media_item_timeline', 'provenance', '`observed`, `derived`, `aggregate` or `inferred`'),
            ('media_item_timeline', 'started_at', 'start of the segment'),
            ('media_item_timeline', 'ended_at', 'end of the segment'),
            ('media_item_timeline', 'parent_segment_id', 'the segment that it is within'),
            ('media_item_timeline', 'opened_by', 'id of the event that opened it'),
            ('media_item_timeline', 'closed_by', 'id of the event that closed it'),
            ('media_item_timeline', 'opened_rule', 'row of the rule table; NULL: a general rule'),
            ('media_item_timeline', 'closed_rule', 'row of the rule table; NULL: a general rule'),
            ('interaction_record', 'ended_at', 'end of the interaction'),
            ('interaction_record', 'record', 'the record: docs/reference/record.md'),
            ('interaction_amendment', 'ended_at', 'end of the interaction'),
            ('interaction_amendment', 'stored_with', 'the interaction that it is a row of'),
            ('interaction_amendment', 'seq', 'number of the amendment of that interaction, from 1'),
            ('interaction_amendment', 'kind', 'type of the event'),
            ('interaction_amendment', 'payload', 'time and data of the event, without personal data'),
            ('interaction_amendment', 'event_id', 'id of the event'),
            ('interaction_amendment', 'recorded_at', 'when it was stored'),
            ('queue_wait', 'started_at', 'start of the wait'),
            ('queue_wait', 'ended_at', 'end of the wait'),
            ('queue_wait', 'duration_ms', 'length of the wait'),
            ('queue_wait', 'outcome', '`answered`, `abandoned` or `other` (overflow, timeout, transfer and so on)'),
            ('queue_wait', 'end_reason', 'why it ended'),
            ('queue_wait', 'abandoned', 'class of abandonment of the media item, where the wait was abandoned: `in_queue` or `while_ringing`'),
            ('queue_wait', 'short_abandon', 'abandoned within 5 s (`TOUCHPOINT_LIMITS__SHORT_ABANDON`)'),
            ('queue_wait', 'answered_by', 'the agent who answered this wait'),
            ('queue_wait', 'handle_ms', 'time connected and wrap-up of that agent'),
            ('agent_work', 'resource_id', 'the agent whose track it is on'),
            ('agent_work', 'bot', 'whether a bot or a system: connected, and without figures in the record'),
            ('agent_work', 'type', '`alerting`, `with_agent`, `hold`, `consult`, `drafting`, `monitor`, `wrap_up`'),
            ('agent_work', 'depth', '1: within a `with_agent` of the same track'),
            ('agent_work', 'started_at', 'start of the segment'),
            ('agent_work', 'ended_at', 'end of the segment'),
            ('agent_work', 'duration_ms', 'length of the segment'),
            ('agent_work', 'end_reason', 'why it ended'),
            ('agent_work', 'transferred_from', 'the agent who transferred to this one'),
            ('agent_work', 'conference', 'whether several agents were connected'),
            ('queue_interval', 'offered', 'waits that began; = answered + abandoned + other'),
            ('queue_interval', 'answered', 'waits that began and were answered, whenever'),
            ('queue_interval', 'abandoned', 'waits that began and were abandoned, whenever'),
            ('queue_interval', 'short_abandons', 'those of them that were abandoned within 5 s'),
            ('queue_interval', 'service_level', 'answered_in_time / offered; NULL where nothing was offered'),
            ('queue_interval', 'average_speed_of_answer_ms', 'mean wait of the answered'),
            ('queue_interval', 'max_speed_of_answer_ms', 'longest wait of the answered'),
            ('queue_interval', 'average_handle_ms', 'mean time connected and wrap-up of the agents who answered'),
            ('queue_interval', 'other', 'waits that began and ended neither way: overflow, timeout, transfer and so on'),
            ('queue_interval', 'answered_in_time', 'waits that began and were answered within 20 s'),
            ('queue_interval', 'abandoned_while_ringing', 'those of the abandoned that ended while an agent was being rung'),
            ('queue_interval', 'wait_ms', 'whole length of the waits that began'),
            ('queue_interval', 'handle_ms', 'time connected and wrap-up of the agents who answered the waits that began'),
            ('queue_interval', 'ended', 'waits that ended; = ended_answered + ended_abandoned + ended_other'),
            ('queue_interval', 'ended_answered', 'waits that ended answered'),
            ('queue_interval', 'ended_abandoned', 'waits that ended abandoned'),
            ('queue_interval', 'ended_other', 'waits that ended neither way'),
            ('queue_interval', 'ended_wait_ms', 'whole length of the waits that ended'),
            ('queue_interval', 'waiting_ms', 'waiting within the interval: each wait is split over the intervals that it lasts; divided by the length, how many waited'),
            ('agent_interval', 'bot', 'whether a bot or a system'),
            ('agent_interval', 'offered', 'media items that began to ring'),
            ('agent_interval', 'connected', 'connections that began'),
            ('agent_interval', 'transferred_in', 'those of them that another agent transferred'),
            ('agent_interval', 'handle_ms_by_start', 'whole length of connections and wrap-ups that began'),
            ('agent_interval', 'not_answered', 'ringing that ended without this agent''s answer'),
            ('agent_interval', 'released', 'connections that ended'),
            ('agent_interval', 'transferred_out', 'those of them that ended by a transfer'),
            ('agent_interval', 'handle_ms_by_end', 'whole length of connections and wrap-ups that ended'),
            ('agent_interval', 'ring_ms', 'ringing within the interval'),
            ('agent_interval', 'talk_ms', 'connected within the interval, without hold'),
            ('agent_interval', 'hold_ms', 'hold within the interval'),
            ('agent_interval', 'wrap_up_ms', 'wrap-up within the interval'),
            ('agent_interval', 'handle_ms', 'handling within the interval: talk, hold and wrap-up; media items beside each other add up'),
            ('agent_interval', 'monitor_ms', 'listening to or coaching others within the interval'),
            ('agent_interval', 'occupied_ms', 'time within the interval in which at least one media item was connected or wrapped up'),
            ('agent_interval', 'occupancy', 'occupied_ms / length of the interval. Whether somebody was logged in is not known here'),
            ('channel_interval', 'started', 'media items that began'),
            ('channel_interval', 'ended', 'media items that ended'),
            ('channel_interval', 'handled', 'those of the ended that an agent handled'),
            ('channel_interval', 'abandoned_in_ivr', 'those of the ended that were abandoned in the menu'),
            ('channel_interval', 'abandoned_in_queue', 'those of the ended that were abandoned in a queue'),
            ('channel_interval', 'abandoned_while_ringing', 'those of the ended that were abandoned while an agent was being rung'),
            ('channel_interval', 'abandoned_on_hold', 'those of the ended that were abandoned on hold'),
            ('channel_interval', 'short_abandons', 'those of the ended that were abandoned within 5 s'),
            ('channel_interval', 'transferred', 'those of the ended that were transferred'),
            ('channel_interval', 'conferenced', 'those of the ended in which several agents were connected'),
            ('channel_interval', 'queue_wait_ms', 'waits in queues of the ended'),
            ('channel_interval', 'ring_ms', 'ringing, where it was answered, of the ended'),
            ('channel_interval', 'talk_ms', 'talk of the ended'),
            ('channel_interval', 'hold_ms', 'hold of the ended'),
            ('channel_interval', 'acw_ms', 'wrap-up of the ended; NULL: not known of any'),
            ('channel_interval', 'handle_ms', 'handling of the ended, by all agents'),
            ('channel_interval', 'average_first_response_ms', 'mean time to the first answer, of the ended chats and emails that have one'),
            ('channel_interval', 'pages', 'pages of the ended faxes'),
            ('channel_interval', 'open_at_start', 'media items that had begun before the interval and had not ended at its start: the backlog'),
            ('channel_interval', 'open_ms', 'time open within the interval: each media item is split over the intervals that it lasts; divided by the length, how many were open'),
            ('media_item_reconciliation', 'duration_ms', 'length of the media item'),
            ('media_item_reconciliation', 'covered_ms', 'what its segments cover: the customer''s track, and the agents who are connected'),
            ('media_item_reconciliation', 'untold_ms', 'what they do not, because it is too short for a segment of its own; = duration_ms - covered_ms'),
            ('media_item_reconciliation', 'longest_untold_ms', 'the longest such hole: at most 1 s, or 3 s where every stamp of the item is a whole second'),
            ('media_item_reconciliation', 'queue_wait_difference_ms', 'queue_wait_ms of the media item less its waits'),
            ('media_item_reconciliation', 'ring_difference_ms', 'ring_ms of the media item less its answered ringing'),
            ('media_item_reconciliation', 'handle_difference_ms', 'handle_ms of the media item less connections and wrap-ups of its agents'),
            ('media_item_reconciliation', 'bot_ms', 'connections and wrap-ups of its bots, which no figure of the media item has'),
            ('report_reconciliation', 'rule', 'what must be equal'),
            ('report_reconciliation', 'expected', 'its left side'),
            ('report_reconciliation', 'found', 'its right side'),
            ('report_reconciliation', 'difference', 'found less expected: 0'),
            ('viewed_interaction', 'ended_at', 'end of the interaction'),
            ('viewed_interaction', 'identity', 'whether the role sees names'),
            ('web_access', 'accessed_at', 'when'),
            ('web_access', 'access_id', 'number of the access'),
            ('web_access', 'who', 'name of the token, or `sub` of the issuer'),
            ('web_access', 'role', 'role that the viewer had'),
            ('web_access', 'by', '`api`, `page` or `export`'),
            ('web_access', 'action', 'what was asked for'),
            ('web_access', 'target', 'id or filter that was asked for, without names and numbers'),
            ('web_access', 'party_keys', 'opaque keys of the parties whose history was shown; of an export none')
        ) AS c (view_name, column_name, words)
    LOOP
        FOR seen IN
            SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'touchpoint'::regnamespace AND c.relkind = 'v' AND a.attname = said.column_name
              AND c.relname LIKE replace(said.view_name, '*', '%')
        LOOP
            EXECUTE format('COMMENT ON COLUMN touchpoint.%I.%I IS %L', seen, said.column_name, said.words);
        END LOOP;
    END LOOP;
    FOR said IN  -- what the web reads has the columns of another view
        SELECT web AS view_name, a.attname AS column_name, col_description(a.attrelid, a.attnum) AS words
        FROM (VALUES ('web_record', 'interaction_record'), ('web_interaction', 'interaction_history'),
                     ('web_amendment', 'interaction_amendment')) AS p (web, of)
        JOIN pg_attribute AS a ON a.attrelid = format('touchpoint.%I', p.of)::regclass AND a.attnum > 0
        JOIN pg_attribute AS w ON w.attrelid = format('touchpoint.%I', p.web)::regclass AND w.attname = a.attname
    LOOP
        EXECUTE format('COMMENT ON COLUMN touchpoint.%I.%I IS %L', said.view_name, said.column_name, said.words);
    END LOOP;
END $$;
