"""The only reader of the environment."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from platformdirs import user_data_dir
from pydantic import AnyHttpUrl, Field, SecretStr, TypeAdapter, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from refnet.domain.crawls import USUAL_FULL_TEXTS
from refnet.domain.errors import ConfigurationError
from refnet.domain.passwords import holds_none
from refnet.domain.signing_keys import chosen_keys

#: Variables whose value may also stand in a file, named by the variable with _FILE behind it.
SECRETS = (
    "DATABASE_URL",
    "CELERY_BROKER_URL",
    "SEMANTIC_SCHOLAR_API_KEY",
    "REFNET_SIGNING_KEYS",
    "FLOWER_BASIC_AUTH",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
)

#: Of these an empty file is as good as none: a deployment has to name a file that is there.
_OPTIONAL = ("SEMANTIC_SCHOLAR_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY")
_URL = TypeAdapter(AnyHttpUrl)


class Settings(BaseSettings):
    """What a user sets by environment variables, with the names and defaults of the public contract."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    broker_url: SecretStr | None = Field(None, validation_alias="CELERY_BROKER_URL")
    output_dir: Path = Field(Path("vault"), validation_alias="OUTPUT_DIR")
    api_key: SecretStr | None = Field(None, validation_alias="SEMANTIC_SCHOLAR_API_KEY")
    source_url: str = Field("https://api.semanticscholar.org/graph/v1", validation_alias="SEMANTIC_SCHOLAR_URL")
    requests_per_second: float = Field(1.0, gt=0, le=1000, allow_inf_nan=False, validation_alias="SEMANTIC_SCHOLAR_RPS")
    max_depth: int = Field(1, ge=0, le=10, validation_alias="MAX_DEPTH")
    signing_keys: SecretStr | None = Field(None, validation_alias="REFNET_SIGNING_KEYS")
    contact: str | None = Field(None, max_length=200, validation_alias="REFNET_CONTACT")
    data_dir: Path = Field(
        default_factory=lambda: Path(user_data_dir("refnet", appauthor=False)),
        validation_alias="REFNET_DATA_DIR",
    )
    note_names: Literal["author-year-title", "paper_id"] = Field(
        "author-year-title", validation_alias="REFNET_NOTE_NAMES"
    )
    #: None: no files
    log_dir: Path | None = Field(None, validation_alias="REFNET_LOG_DIR")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", validation_alias="REFNET_LOG_LEVEL")
    log_format: Literal["text", "json"] = Field("text", validation_alias="REFNET_LOG_FORMAT")
    #: on loopback, where each worker shows what it counted itself
    metrics_port: int | None = Field(None, ge=1, le=65_535, validation_alias="REFNET_METRICS_PORT")
    flower_auth: SecretStr | None = Field(None, validation_alias="FLOWER_BASIC_AUTH")
    #: turns the language model on
    llm_model: str | None = Field(None, max_length=200, validation_alias="REFNET_LLM_MODEL")
    openai_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    anthropic_key: SecretStr | None = Field(None, validation_alias="ANTHROPIC_API_KEY")
    #: US dollars a day, over all processes
    spend_cap: float = Field(5.0, ge=0, allow_inf_nan=False, validation_alias="REFNET_SPEND_CAP")
    arxiv_url: str = Field("https://arxiv.org", validation_alias="REFNET_ARXIV_URL")
    #: host:port, separated by commas, that downloads may reach although they are not public
    allow_private_hosts: str = Field("", max_length=2_000, validation_alias="REFNET_ALLOW_PRIVATE_HOSTS")
    #: papers of a crawl that are read where nobody says how many
    summaries: int = Field(USUAL_FULL_TEXTS, ge=0, le=1_000_000, validation_alias="REFNET_SUMMARIES")
    #: downloads reach these and no other
    private_hosts_only: bool = Field(False, validation_alias="REFNET_PRIVATE_HOSTS_ONLY")
    #: megabytes of PDFs that are kept
    pdf_cache_mb: int = Field(2_000, ge=1, le=10_000_000, validation_alias="REFNET_PDF_CACHE_MB")
    # For tests and for mirrors with other limits; in docs/reference, not in the contract.
    batch_ids: int = Field(500, ge=1, le=500, validation_alias="REFNET_BATCH_IDS")
    request_seconds: float = Field(40.0, gt=0, allow_inf_nan=False, validation_alias="REFNET_REQUEST_SECONDS")
    outage_seconds: float = Field(900.0, ge=0, allow_inf_nan=False, validation_alias="REFNET_OUTAGE_SECONDS")
    api_rps: float = Field(100.0, gt=0, le=1_000_000, allow_inf_nan=False, validation_alias="REFNET_API_RPS")
    #: addresses and networks, separated by commas, whose X-Forwarded-For is believed
    trusted_proxies: str = Field("", max_length=2_000, validation_alias="REFNET_TRUSTED_PROXIES")
    no_network_seconds: float = Field(60.0, ge=0, allow_inf_nan=False, validation_alias="REFNET_NO_NETWORK_SECONDS")

    @field_validator("source_url", "arxiv_url", "openai_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            _URL.validate_python(value)
            parts = urlsplit(value)
        except ValueError:
            parts = None
        # A name and a password in it would be shown wherever the host is named.
        if parts is None or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("write http(s)://host/path, without a query or a password")
        return value.rstrip("/")

    @field_validator("contact", "api_key", "openai_key", "anthropic_key", mode="before")
    @classmethod
    def _fits_a_header(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = value.strip()
            if not value.isascii() or not value.isprintable():
                raise ValueError("it holds characters that cannot be sent")
        return value or None

    @field_validator("allow_private_hosts")
    @classmethod
    def _are_hosts(cls, value: str) -> str:
        for one in filter(None, map(str.strip, value.split(","))):
            host, _, port = one.rpartition(":")
            if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
                raise ValueError("write host:port, separated by commas")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for one in filter(None, map(str.strip, value.split(","))):
            try:
                ip_network(one, strict=False)
            except ValueError:
                raise ValueError("write addresses or networks such as 10.0.0.0/8, separated by commas") from None
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: Any) -> Any:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("output_dir", "data_dir", "log_dir")
    @classmethod
    def _expanded(cls, value: Path | None) -> Path | None:
        try:
            return None if value is None else value.expanduser().absolute()
        except RuntimeError as error:
            raise ValueError("it names the home of a user who is not known") from error

    @property
    def database(self) -> str:
        """The database's URL, secrets and all."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'refnet.db'}"

    @property
    def key(self) -> str | None:
        """The key for Semantic Scholar, in the clear."""
        return self.api_key.get_secret_value() if self.api_key is not None else None

    def secrets(self) -> list[str]:
        """Every secret, in the clear, for whoever has to keep them out of something."""
        return [secret for _, secret in self.named_secrets()]

    def named_secrets(self) -> list[tuple[str, str]]:
        """The same, each with its variable."""
        values = [(field.validation_alias, getattr(self, name)) for name, field in type(self).model_fields.items()]
        return [(str(name), value.get_secret_value()) for name, value in values if isinstance(value, SecretStr)]

    def for_demo(self, *, database: Path, source_url: str) -> Settings:
        """These settings with a database and a source of the demonstration's own.

        Nothing of the user's is sent or touched. PDFs come from where the source is, which serves preprints as well.
        """
        parts = urlsplit(source_url)
        changed = {
            "database_url": SecretStr(f"sqlite:///{database}"),
            "broker_url": None,
            "api_key": None,
            "contact": None,
            "llm_model": None,
            "openai_key": None,
            "anthropic_key": None,
            "source_url": source_url,
            "arxiv_url": f"{parts.scheme}://{parts.netloc}",
            "allow_private_hosts": parts.netloc,
            "private_hosts_only": True,
            "requests_per_second": 100.0,
        }
        return self.model_copy(update=changed)


def load_settings() -> Settings:
    """Read the environment. Raises ConfigurationError that names the variable, never its value."""
    given: dict[str, Any] = {}
    for name in SECRETS:
        file = os.environ.get(f"{name}_FILE")
        if not file:
            continue
        if os.environ.get(name):
            raise ConfigurationError(f"Both {name} and {name}_FILE are set. Keep one of them.")
        try:
            given[name] = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigurationError(f"{name}_FILE names a file that cannot be read: {file} ({reason}).") from error
        if not given[name] and name not in _OPTIONAL:
            raise ConfigurationError(f"{name}_FILE names a file that is empty: {file}.")
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "A setting"
        why = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
        raise ConfigurationError(f"{name} cannot be used: {why}.") from None
    for name, secret in settings.named_secrets():
        if holds_none(secret):
            raise ConfigurationError(
                f"{name} holds a password or key that is empty, that stands in everybody's examples, or that a server comes "
                "with. Take one of your own."
            )
    if settings.signing_keys is not None:
        chosen_keys(settings.signing_keys.get_secret_value())  # not at the first message
    return settings
