"""The leaderboards: complete runs of one split ranked by F1, all others apart with the reason."""

from harness.analyses.leaderboards.boards import Leaderboard, leaderboards
from harness.analyses.leaderboards.entries import RunFilter

__all__ = ["Leaderboard", "RunFilter", "leaderboards"]
