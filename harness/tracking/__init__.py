"""Stored runs handed to experiment trackers, and as a model card's metadata; nothing is sent unless it is asked for."""

from harness.tracking.trackers import check_tracker, track_run

__all__ = ["check_tracker", "track_run"]
