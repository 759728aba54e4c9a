"""What is read of Genesys' records, and the form of each field."""

from __future__ import annotations

from touchpoint.dialects.forms import TEXT, TIME, WHOLE, Fields, ListOf

_SESSION = dict.fromkeys(
    """
    sessionId mediaType direction originatingDirection ani dnis addressFrom addressTo flowId flowName flowType
    disconnectType outboundCampaignId campaignId externalContactId
    """.split(),
    TEXT,
) | {"callbackNumbers": ListOf(TEXT)}

_EVENT = Fields(
    _SESSION
    | dict.fromkeys("conversationId userId queueId wrapupCode".split(), TEXT)
    | dict.fromkeys("eventTime interactingDurationMs heldDurationMs wrapupDurationMs".split(), WHOLE)
)
NOTIFICATION = Fields(
    {"topicName": TEXT, "eventBody": _EVENT, "detail": Fields({"topicName": TEXT, "eventBody": _EVENT})}
)
"""A notification, as it is or wrapped by EventBridge."""

_SEGMENT = Fields(
    dict.fromkeys(("segmentStart", "segmentEnd"), TIME)
    | dict.fromkeys("segmentType disconnectType queueId wrapUpCode".split(), TEXT)
)
_FLOW = Fields(dict.fromkeys("flowId flowName flowType".split(), TEXT))
_PARTICIPANT = Fields(
    dict.fromkeys("participantId purpose userId externalContactId".split(), TEXT)
    | {"sessions": ListOf(Fields(_SESSION | {"segments": ListOf(_SEGMENT), "flow": _FLOW}))}
)
CONVERSATION = Fields({"conversationId": TEXT, "originatingDirection": TEXT, "participants": ListOf(_PARTICIPANT)})
"""A conversation of the analytics details."""
