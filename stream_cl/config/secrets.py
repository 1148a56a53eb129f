"""Secrets: how the config holds one, and how it is read from a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, SecretStr

from stream_cl.core.errors import UserError

SECRET_BYTES: Final = 65_536
"""Largest file that is read for a secret."""
Secret = Annotated[SecretStr, Field(min_length=1)]


def secret(inline: SecretStr | None, key: str, path: Path | None) -> str | None:
    """The secret itself, from the config or from its file, whose last line's end is left out.

    Args:
        inline: what the config holds.
        key: of the file in the config, for messages: `format.token_file`.
        path: of the file; None where none is named.

    Raises:
        UserError: the file cannot be read, or holds no secret.
    """
    if inline is not None:
        return inline.get_secret_value()
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            text = file.read(SECRET_BYTES + 1).decode()
    except UnicodeDecodeError:
        text = ""
    except (OSError, ValueError) as error:
        raise unreadable(key, path, error) from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or "\n" in text or len(text) > SECRET_BYTES:
        raise UserError(
            f"{key}: {path} does not hold one line of text; write the secret into it and nothing "
            "else"
        )
    return text


def unreadable(key: str, path: Path, error: OSError | ValueError) -> UserError:
    """What is said of a file that the config names and that cannot be read."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return UserError(
        f"{key}: {path} cannot be read ({reason}); name a file that is there and may be read, "
        "relative to the config's folder"
    )
