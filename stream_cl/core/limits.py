"""Every fixed bound of the system, with its unit, and the relations between them.

What a user may set is in `config/model.py`; what stands here protects the process and the
topics from any input. The relations are checked when the module is imported.
"""

from __future__ import annotations

from typing import Final

# Records
RECORD_BYTES: Final = 1_000_000
"""Largest value, in bytes, that is taken from or written to a topic (Kafka's default)."""
ID_BYTES: Final = 256
LABEL_BYTES: Final = 256
ANNOTATOR_BYTES: Final = 256
FEATURES_PER_EVENT: Final = 10_000
"""Features by name, or numbers in `vector`."""
FEATURE_NAME_BYTES: Final = 256
FEATURE_TEXT_BYTES: Final = 100_000
JSON_DEPTH: Final = 32
REASON_CHARS: Final = 300
HEADERS_PER_RECORD: Final = 64
KEY_BYTES: Final = 16_384
"""Longest key of an event, which its prediction gets too."""
TRACE_BYTES: Final = 512
"""Longest value of a trace header that is passed on (W3C Trace Context, 3.3.1.5)."""
SCHEMA_BYTES: Final = 1_000_000
"""Largest text of an Avro schema."""
SCHEMA_DEPTH: Final = JSON_DEPTH
SCHEMA_REFERENCES: Final = 64
"""Most schemas that one Avro schema may refer to, those that they refer to included."""
SCHEMA_CACHE_BYTES: Final = 64_000_000
"""Most text of schemas that a cache of them stands for."""
DECIMAL_BYTES: Final = 512
"""Longest Avro decimal; beyond it, turning one into a number takes seconds."""
TIME_MIN_MS: Final = -62_135_596_800_000
"""0001-01-01T00:00:00Z: the earliest time that RFC 3339 can write."""
TIME_MAX_MS: Final = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z: the latest."""

# Outputs
PROBABILITIES_TOP: Final = 10
"""Classes listed in a prediction, most probable first kept."""
EXAMPLES_MAX: Final = 20
"""Answered events shown in a label request."""

# Topics
PARTITIONS_MAX: Final = 1024
"""Most partitions that a config may ask for in one topic."""

# A step
STEP_EVENTS_MAX: Final = 100_000
"""Most records a step may be configured to take."""
BATCH_BYTES: Final = 16_000_000
"""Most bytes of values that the embedded log puts into one row."""

# State
CLASSES_MAX: Final = 10_000
WIDTH_MAX: Final = 65_536
"""Widest encoded event, in numbers."""
EXPIRED_PER_STEP: Final = 10_000
"""Pending events, and as many early labels, that one step closes because their time is over."""
PENDING_MAX: Final = 10_000_000
DEDUPE_WINDOW_MAX: Final = 10_000_000
CAPACITY_MAX: Final = 10_000_000
"""Entries of any other store that a config may ask for."""
REQUEST_BYTES_KEPT: Final = 16_384
"""A longer label request is not asked a second time."""
REQUESTS_BYTES_MAX: Final = 64_000_000
"""Texts of label requests kept to be asked again."""
ANSWERS_PER_QUESTION: Final = 32
"""Answers of different annotators that one question takes."""
STORE_BYTES_MAX: Final = 64 * 2**30
"""Largest store of encoded events, or table of weights, that a config may ask for."""
LIMIT_LABELS: Final = 1000
"""The latest labels that limits by key and class look back on, so also the keys remembered."""
CHECKPOINTS_KEPT: Final = 2

# Numbers
STANDARD_SCORE_MAX: Final = 8.0
"""Standardised features are clipped to ± this many standard deviations."""
FEATURE_ABS_MAX: Final = 1e150
"""Larger magnitudes would overflow a running variance; they are refused."""

assert ID_BYTES < RECORD_BYTES
assert LABEL_BYTES < RECORD_BYTES
assert FEATURE_TEXT_BYTES < RECORD_BYTES
assert RECORD_BYTES <= BATCH_BYTES
assert SCHEMA_BYTES <= SCHEMA_CACHE_BYTES
assert PROBABILITIES_TOP <= CLASSES_MAX
# JSON writes a byte of a text with six at most; half a record is left for the rest.
assert (EXAMPLES_MAX + PROBABILITIES_TOP) * 6 * (ID_BYTES + LABEL_BYTES) < RECORD_BYTES // 2
assert CHECKPOINTS_KEPT >= 2, "while one is written the one before must still be there"
assert FEATURE_ABS_MAX**2 < 1.7e308
