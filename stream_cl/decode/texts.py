"""Many texts as two arrays: what snapshots hold of ids and of vocabularies."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from typing import Any

import numpy as np


def pack_texts(texts: Collection[str]) -> dict[str, Any]:
    """The texts, one after another, as `uint8` UTF-8 and the `int32` characters of each."""
    return {
        "utf8": np.frombuffer("".join(texts).encode(), dtype=np.uint8).copy(),
        "characters": np.fromiter(map(len, texts), dtype=np.int32, count=len(texts)),
    }


def unpack_texts(packed: dict[str, Any]) -> list[str]:
    """The texts that `pack_texts` packed."""
    whole = packed["utf8"].tobytes().decode()
    ends = np.cumsum(packed["characters"], dtype=np.int64).tolist()
    return [whole[start:end] for start, end in pairwise([0, *ends])]
