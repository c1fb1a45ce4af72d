"""The scores of ``metrics.json`` as tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.scoring.counts import Counts, Scores

if TYPE_CHECKING:
    import pandas as pd

    from harness.records.metrics import Metrics


@dataclass(frozen=True)
class ScoreTables:
    """Scores as DataFrames; ``content`` is that of ``metrics.json``, fractions are 0 to 1."""

    content: Metrics

    @property
    def overall(self) -> pd.DataFrame:
        """One row: the official scores and counts; Ign F1 is missing without a training file."""
        import pandas as pd

        return pd.DataFrame([self.content.official.as_json()])

    @property
    def relations(self) -> pd.DataFrame:
        """A row per relation that is gold or was predicted, the most frequent first: scores and counts."""
        import pandas as pd

        rows = [{"relation": relation, **scores.as_json()} for relation, scores in self.content.per_relation.items()]
        rows.sort(key=lambda row: (-row["gold"], row["relation"]))
        return pd.DataFrame(rows, columns=["relation", *Scores.__dataclass_fields__])

    @property
    def documents(self) -> pd.DataFrame:
        """A row per document, in their order: scores and counts."""
        import pandas as pd

        rows = [
            {"title": title, **asdict(Scores.of(Counts(*counts)))}
            for title, counts in self.content.per_document.items()
        ]
        return pd.DataFrame(rows, columns=["title", *Scores.__dataclass_fields__])
