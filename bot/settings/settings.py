"""The bot's settings, read once from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bot.settings.misspelt import find_misspelt
from bot.settings.values import (
    MAX_PORT,
    MAX_THREADS,
    SettingsError,
    read_choice,
    read_count,
    read_endpoint,
    read_numbers,
    read_secret_address,
    read_web_address,
)
from bot.startup.cgroups import count_cpus

SHIPPED_MODEL = Path("artifacts/mask.onnx")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("text", "json")
AIOGRAM_IMPORTS = ("deferred", "plain")
PROXIES = ("http://", "socks5://")
S3 = "s3://"
REDIS = ("redis://", "rediss://", "unix://")
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
"""What Telegram takes for a webhook's secret token."""
DATABASE = re.compile(r"/?|/[0-9]{1,9}")
PERSON = re.compile(r"[0-9]{1,16}")
PERSON_OR_GROUP = re.compile(r"-?[0-9]{1,16}")
"""Telegram's numbers: those of groups and channels are negative (Bot API: at most 52 bits)."""


@dataclass(frozen=True)
class BucketSettings:
    """A bucket that donated photos go to, and the key to it."""

    name: str
    prefix: str
    """What the objects' names begin with: empty, or with a / at its end."""
    endpoint: str
    """Base address of a server that speaks S3."""
    region: str
    key_id: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(repr=False)


@dataclass(frozen=True)
class Settings:
    token: str | None = field(repr=False)
    """From BotFather; None where the environment has none."""
    model: Path
    api_server: str | None
    """Base address of a Bot API server; None: Telegram's own."""
    proxy: str | None = field(repr=False)
    """Address of a proxy on the way to Telegram, with its password; None: direct."""
    webhook_url: str | None
    """Public address that Telegram sends updates to; None: the bot polls."""
    webhook_secret: str | None = field(repr=False)
    """What Telegram sends along; None: made from the token, so that all replicas have the same."""
    host: str
    port: int
    redis_url: str | None = field(repr=False)
    """State that replicas share; None: `state_dir`, for one process."""
    threads: int
    """Threads that one photo's inference runs on."""
    max_in_flight: int
    """Updates in work at a time."""
    shutdown_seconds: float
    """How long the process may take to end after SIGTERM."""
    state_dir: Path
    log_level: str
    log_format: str
    metrics_port: int | None
    """Where /metrics, /healthz and /readyz are served; None: the first not at all, the others with the webhook."""
    metrics_host: str
    aiogram_import: str
    """One of AIOGRAM_IMPORTS: see bot.startup.lazy_aiogram."""
    owners: frozenset[int]
    """Telegram's numbers of those who may ask for /stats."""
    allowed: frozenset[int]
    """Telegram's numbers of the people and groups that are answered, beside `owners`; empty: everybody is."""
    donations: Path | BucketSettings | None
    """Where donated photos go; None: the bot keeps none."""
    channel_posts: bool
    """Whether photos in channels are answered."""
    misspelt: Mapping[str, str]
    """Names in the environment that the bot does not read, and the setting that each is like."""

    @property
    def replies_dir(self) -> Path:
        """The bot's own texts, beside its model. They need not be there."""
        return self.model.with_name(f"{self.model.stem}-replies")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; an empty variable counts as none. Raises SettingsError naming the variable."""
        values = {name: value.strip() for name, value in environment.items() if value.strip()}
        secret = values.get("WEBHOOK_SECRET")
        if secret is not None and not SECRET.fullmatch(secret):
            raise SettingsError("WEBHOOK_SECRET takes 1 to 256 letters, digits, _ and -.")
        return cls(
            token=values.get("BOT_TOKEN"),
            model=_model(values),
            api_server=read_web_address(values, "TELEGRAM_API_SERVER"),
            proxy=_proxy(values),
            webhook_url=read_web_address(values, "WEBHOOK_URL"),
            webhook_secret=secret,
            host=values.get("HOST", "0.0.0.0"),
            port=read_count(values, "PORT", default=8080, most=MAX_PORT),
            redis_url=_redis(values),
            threads=read_count(
                values, "THREADS", default=min(MAX_THREADS, max(1, int(count_cpus()))), most=MAX_THREADS
            ),
            max_in_flight=read_count(values, "MAX_IN_FLIGHT", default=16),
            shutdown_seconds=read_count(values, "SHUTDOWN_SECONDS", default=20),
            state_dir=Path(values.get("STATE_DIR", "state")),
            log_level=read_choice(values, "LOG_LEVEL", "INFO", LOG_LEVELS),
            log_format=read_choice(values, "LOG_FORMAT", "text", LOG_FORMATS),
            metrics_port=_metrics_port(values),
            metrics_host=values.get("METRICS_HOST", "127.0.0.1"),
            aiogram_import=read_choice(values, "AIOGRAM_IMPORT", "deferred", AIOGRAM_IMPORTS),
            owners=read_numbers(values, "OWNER_IDS", PERSON, "people, such as 12345,67890"),
            allowed=read_numbers(
                values, "ALLOWED_IDS", PERSON_OR_GROUP, "people and groups, such as 12345,-1001234567890"
            ),
            donations=_donations(values),
            channel_posts=read_choice(values, "CHANNEL_POSTS", "off", ("on", "off")) == "on",
            misspelt=find_misspelt(values),
        )


def _model(values: Mapping[str, str]) -> Path:
    """Without a setting: in the current folder, else beside the code, since commands run from any folder."""
    if "MODEL_PATH" in values:
        model = Path(values["MODEL_PATH"])
        if not model.name:  # what lies beside the model is called by its name
            raise SettingsError(f"MODEL_PATH is {values['MODEL_PATH']}, which is a folder. Name the ONNX file.")
        return model
    beside_code = Path(__file__).parents[2] / SHIPPED_MODEL
    return beside_code if beside_code.exists() and not SHIPPED_MODEL.exists() else SHIPPED_MODEL


def _donations(values: Mapping[str, str]) -> Path | BucketSettings | None:
    place = values.get("DONATIONS_DIR")
    if place is None or not place.startswith(S3):
        return Path(place) if place else None
    name, _, prefix = place.removeprefix(S3).partition("/")
    if not BUCKET.fullmatch(name):
        raise SettingsError(f"DONATIONS_DIR is {place}, a bucket is named as in s3://bucket or s3://bucket/prefix.")
    missing = [key for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if key not in values]
    if missing:
        raise SettingsError(f"DONATIONS_DIR is a bucket: set {' and '.join(missing)}.")
    region = values.get("AWS_REGION") or values.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = read_endpoint(values, "AWS_ENDPOINT_URL_S3") or read_endpoint(values, "AWS_ENDPOINT_URL")
    return BucketSettings(
        name=name,
        prefix=f"{prefix.strip('/')}/".lstrip("/"),
        endpoint=endpoint or f"https://s3.{region}.amazonaws.com",
        region=region,
        key_id=values["AWS_ACCESS_KEY_ID"],
        secret_key=values["AWS_SECRET_ACCESS_KEY"],
        session_token=values.get("AWS_SESSION_TOKEN"),
    )


def _redis(values: Mapping[str, str]) -> str | None:
    """Raises SettingsError where the database is no number, which Redis' client takes for 0."""
    address = read_secret_address(values, "REDIS_URL", *REDIS)
    parts = urlsplit(address or "")
    if address is not None and parts.scheme != "unix" and not DATABASE.fullmatch(parts.path):
        raise SettingsError("REDIS_URL ends with the number of a database, as in redis://host:6379/0.")
    return address


def _metrics_port(values: Mapping[str, str]) -> int | None:
    return read_count(values, "METRICS_PORT", default=0, most=MAX_PORT) if "METRICS_PORT" in values else None


def _proxy(values: Mapping[str, str]) -> str | None:
    address = read_secret_address(values, "TELEGRAM_PROXY", *PROXIES)
    parts = urlsplit(address or "")
    if address is not None and not (parts.hostname and parts.port):
        raise SettingsError("TELEGRAM_PROXY lacks host and port: http://host:port or socks5://user:password@host:port.")
    return address
