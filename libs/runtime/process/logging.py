"""Structured logs: a dotted event name and its data, one JSON object per line (or coloured text in development).

Values that are bound with `structlog.contextvars` (request, command, project, trace) appear on every line of the task.
Addresses, bodies and keys are never logged.
"""

import logging
import sys

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from libs.kernel.personal_text import without_addresses
from libs.runtime.process.settings import Settings

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(settings: Settings, service: str) -> None:
    """Configure structlog for this process, and log the warnings of libraries to stderr."""
    console = settings.log_format == "console"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if console else "iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, *_renderers(console)],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.log_level]),
        logger_factory=structlog.PrintLoggerFactory() if console else structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    if not console:
        structlog.contextvars.bind_contextvars(service=service, instance=settings.instance)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s", force=True)


def _renderers(console: bool) -> list[Processor]:
    if console:
        return [
            _hide_addresses,
            structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), pad_event_to=0, sort_keys=False),
        ]
    return [
        structlog.processors.format_exc_info,
        _hide_addresses,
        structlog.processors.JSONRenderer(serializer=_to_json),
    ]


def _hide_addresses(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Replace addresses in text, such as errors of Postgres, SES and mail servers that name one."""
    return {
        name: without_addresses(value) if isinstance(value, str) and ("@" in value or "%40" in value) else value
        for name, value in event.items()
    }


def _to_json(event: object, **_: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)
