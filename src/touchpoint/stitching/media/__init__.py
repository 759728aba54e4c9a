"""The fold of a media item: the set of its facts in, segments, durations and flags out (stitching.md, 1 and 2)."""

from touchpoint.stitching.media.fact_set import is_truncated, merge_facts, ordered, precedence
from touchpoint.stitching.media.fold import fold

__all__ = ["fold", "is_truncated", "merge_facts", "ordered", "precedence"]
