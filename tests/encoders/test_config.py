"""Options become fields of a record; what follows from another field follows from the option."""

from __future__ import annotations

import pytest

from harness.encoders.config import ModelConfig, with_options
from harness.encoders.glidre_config import GlidreConfig
from harness.errors import InputError

RECORDS = (ModelConfig(relations=("P17",)), GlidreConfig(relations=("P17",), label_names=("country",)))


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize(
    ("options", "overlap"),
    [
        ({}, 128),
        ({"window": "1024"}, 128),
        ({"window": "256"}, 128),
        ({"window": "100"}, 50),
        ({"window": "16"}, 8),
        ({"window": "100", "overlap": "20"}, 20),
    ],
)
def test_windows_share_at_most_half_unless_an_overlap_is_given(
    record: ModelConfig | GlidreConfig, options: dict[str, str], overlap: int
) -> None:
    found = with_options(record, options)
    assert found.overlap == overlap
    assert type(record).model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": "100", "overlap": "98"}, "-O overlap 98 leaves nothing of a window of 100 tokens"),
        ({"window": "x"}, "-O window: Input should be a valid integer"),
    ],
)
def test_an_option_that_does_not_fit_is_told(options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_options(RECORDS[0], options)
