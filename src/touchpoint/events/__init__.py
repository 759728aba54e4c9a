"""The inbound contract: what an event must look like, and what becomes of a record (docs/events.md)."""

from touchpoint.events.addresses import dialed_address, party_address, spellings
from touchpoint.events.catalogue import CHANNELS, event_model, event_types
from touchpoint.events.decoder import Decoder
from touchpoint.events.numbers import NumberPlan
from touchpoint.events.verdicts import Accepted, Code, DeadLetter, Skipped, Verdict

__all__ = [
    "CHANNELS",
    "Accepted",
    "Code",
    "DeadLetter",
    "Decoder",
    "NumberPlan",
    "Skipped",
    "Verdict",
    "dialed_address",
    "event_model",
    "event_types",
    "party_address",
    "spellings",
]
