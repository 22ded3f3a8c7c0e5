"""What counts as a key that signs tasks, where somebody chose it."""

from __future__ import annotations

from refnet.domain.errors import ConfigurationError

#: The least characters of a key.
LEAST = 16


def chosen_keys(given: str) -> tuple[bytes, ...]:
    """The keys in the value of REFNET_SIGNING_KEYS, separated by commas, of which the first signs.

    Raises ConfigurationError, without the value, where there is none or one is too short.
    """
    keys = tuple(key.strip().encode() for key in given.split(",") if key.strip())
    if not keys or any(len(key) < LEAST for key in keys):
        raise ConfigurationError(
            f"REFNET_SIGNING_KEYS holds a key of less than {LEAST} characters. Make one with: refnet keys signing"
        )
    return keys
