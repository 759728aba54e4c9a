"""How a state value that an older release wrote becomes one that this release reads.

The header of a changelog record names the form of its value (``terms.FORM``). At recovery each value of an older form
goes through the steps from its form to ours, and what came of it is written before the partition takes any record:
first the keys that are new, then the keys that they came from. So a crash at any point leaves either the old value,
which gives the same again, or the new ones. Forms may be mixed in one changelog: a value that no step changes keeps
its record and its old header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from touchpoint.stream.terms import FORM

Pairs = Sequence[tuple[bytes, bytes]]

Step = Callable[[str, bytes, bytes], Pairs]
"""(table, key, value) of one form -> the keys and values of the next form that take its place.

``[(key, value)]`` if nothing changes for it, an empty list if it is not needed any more. Tables: ``media``,
``parties``, ``feed-`` and the topic for a topic with a dialect. Pure, of its arguments alone. A key beside the old one
is new: no key of the older form has its name, and no two keys give the same.
"""

STEPS: Mapping[int, tuple[Step, ...]] = {}
"""Form -> what makes of it the next form: of each change of the state's meaning one function, called in this order.

A step reads the old value with a struct of its own or with plain msgpack, never with the struct of the present code,
which will change again. It stays for as long as ``terms.OLDEST_FORM`` is not greater.
"""


def upgraded(table: str, key: bytes, value: bytes, form: int) -> Pairs:
    """What takes the place of one key of a table whose value has an older form."""
    pairs: Pairs = [(key, value)]
    for number in range(form, FORM):
        for step in STEPS[number]:
            pairs = [pair for each in pairs for pair in step(table, *each)]
    return pairs
