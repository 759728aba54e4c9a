"""Reading what a broker hands over, whatever its bytes. To import it makes every consumer of the process read so."""

from touchpoint.kafka.fetching import fetched, lookups
from touchpoint.kafka.fetching.damaged import Damaged, Reason
from touchpoint.kafka.fetching.fetched import HEADER_COST

fetched.install()
lookups.install()

__all__ = ["HEADER_COST", "Damaged", "Reason"]
