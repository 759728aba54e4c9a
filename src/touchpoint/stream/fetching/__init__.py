"""Reading what a broker hands over, whatever its bytes. To import it makes every consumer of the process read so."""

from touchpoint.stream.fetching import fetched, lookups
from touchpoint.stream.fetching.damaged import Damaged, Reason
from touchpoint.stream.fetching.fetched import HEADER_COST

fetched.install()
lookups.install()

__all__ = ["HEADER_COST", "Damaged", "Reason"]
