"""The whole config as typed models, and the only reader of the environment.

`model` has the whole; `sections`, `encoding`, `learning`, `queries`, `budgets`, `format` and
`kafka` its parts, `rules` what must hold between them; `file` and `yaml` make one from a file,
`messages` says what is wrong with it, `template` writes one with every default.
"""

from stream_cl.config.model import (
    ENVIRONMENT_PREFIX,
    NOT_STATE,
    Config,
    environment,
    kinds,
    masked,
    public,
    state_keys,
)

__all__ = [
    "ENVIRONMENT_PREFIX",
    "NOT_STATE",
    "Config",
    "environment",
    "kinds",
    "masked",
    "public",
    "state_keys",
]
