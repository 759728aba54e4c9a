"""The fold of a media item: the set of its facts in, segments, durations and flags out (stitching.md, 1 and 2)."""

from touchpoint.stitching.media.fold import fold
from touchpoint.stitching.media.merging import is_truncated, merge_facts, precedence
from touchpoint.stitching.media.order import ordered

__all__ = ["fold", "is_truncated", "merge_facts", "ordered", "precedence"]
