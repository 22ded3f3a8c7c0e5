"""What the clients of all providers have in common: a model at a server, a key, and one connection while it is used."""

from __future__ import annotations

from abc import ABC, abstractmethod

import httpx2

from refnet.adapters.language_model.looking import look_at_key, look_up
from refnet.adapters.language_model.refusals import Server
from refnet.adapters.language_model.wire import address_of, place_of


class ModelAtServer(ABC):
    """A model at the server of an address. `own_url` is where the provider itself is; `key_setting` and `url_setting` are
    the settings that hold the key and the address (empty: fixed). The connection is kept as `_client`.
    """

    def __init__(
        self,
        model: str,
        url: str,
        *,
        own_url: str,
        key_setting: str,
        url_setting: str,
        key: str | None,
        timeout: float,
    ) -> None:
        self.model = model
        self._url = url.rstrip("/")
        self.place = place_of(self._url)
        self.address = None if self._url == own_url else address_of(self._url)
        self._server = Server(model, self.place, key_setting, url_setting, key, timeout)
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, {self.place!r})"

    def close(self) -> None:
        if (client := self.__dict__.pop("_client", None)) is not None:
            client.close()

    def look(self) -> str:
        return look_up(self._get, self._server)

    def look_at_key(self) -> None:
        look_at_key(self._get, self._server)

    @abstractmethod
    def _get(self, path: str) -> httpx2.Response:
        """What stands at a path, with whatever status; raises what `refusals.connection_error` makes."""
