"""What all parts of the config share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from stream_cl.config.rules import as_tuple, check_names
from stream_cl.core import limits


class Section(BaseModel):
    """What all parts share: frozen, strict, no unknown keys, no infinite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


FeatureNames = Annotated[tuple[str, ...], BeforeValidator(as_tuple), AfterValidator(check_names)]
Capacity = Annotated[int, Field(ge=1, le=limits.CAPACITY_MAX)]
