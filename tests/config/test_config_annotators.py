"""What may not stand together in the section `annotators`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from stream_cl.config import Config


@pytest.mark.parametrize(
    ("annotators", "others", "key", "says"),
    [
        ({"answers": 2}, {}, "annotators.answers", "annotators.trust"),
        ({"gold": {"1": "a"}}, {}, "annotators.gold", "annotators.trust"),
        ({"experts": ["anna"]}, {}, "annotators.experts", "annotators.trust"),
        ({"trust": "votes", "relabel": 0.1}, {}, "annotators.relabel", "dawid_skene"),
        (
            {"trust": "dawid_skene", "relabel": 0.5},
            {"budget": {"kind": "fraction", "floor": 0.8}},
            "annotators.relabel",
            "give at most 0.25",
        ),
        (
            {"trust": "dawid_skene", "relabel": 0.5},
            {"budget": {"kind": "split", "share": 0.9}},
            "annotators.relabel",
            "give at most 0.08",
        ),
        (
            {"trust": "votes", "answers": 2},
            {"labels": {"join": "every"}},
            "annotators.answers",
            "asks nobody",
        ),
    ],
)
def test_a_setting_without_effect_or_beyond_the_budget_is_refused(
    annotators: dict[str, Any], others: dict[str, Any], key: str, says: str
) -> None:
    """Else a crowd is paid for answers that nothing reads, or for more than was agreed on."""
    with pytest.raises(ValidationError) as refused:
        Config.model_validate({"annotators": annotators, **others})
    ((keys, what),) = refused.value.errors()[0]["ctx"]["broken"]
    assert keys[0] == key
    assert says in f"{keys} {what}"


def test_as_much_as_the_budget_can_make_room_for_is_taken() -> None:
    Config.model_validate(
        {
            "annotators": {"trust": "dawid_skene", "relabel": 0.25},
            "budget": {"kind": "fraction", "floor": 0.8},
        }
    )
