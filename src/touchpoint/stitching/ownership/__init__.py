"""Whose a media item or an activity is: which party, and as of which instant (stitching.md, 3).

Events of one contact name its party in many ways, early or late, or not at all. In the order of what counts:

1. its own events claim a party id, else an address: the first that they name (`claims.py`);
2. an address stands for the party that it was identified as, at the start of the thing, and a party for that into which
   it was merged (`identities.py`);
3. an item that is another's alias is that item (`aliases.py`);
4. what has no claim is its parent's: of an item what its events refer to, of an activity the item that it is about
   (`parents.py`); without one it is a party of its own.

`party_keys.py` applies all four to what is open at an instant; it is used by every walk, so by `stitch` and the stages.
`party_sorting.py` sorts the whole of an input by party for `stitch`. A worker sees one partition at a time and sends
facts to where their party's state is: `stages/media/items.py` and `stages/party/rerouting.py`, with the same functions.

Why each is decided as of an instant, and never again for what has closed: a later identification must not move an
interaction that a row was written of. The walk takes identifications in event time (test_fast_walk.py,
test_stages_agree_with_stitch.py: worlds that identify, merge and contradict themselves).
"""
