"""Structured logs: a dotted event name and its data, one JSON object per line (or coloured text in development).

Values that are bound with `structlog.contextvars` (request, command, project, trace) appear on every line of the task.
Addresses, bodies and keys are never logged.
"""

import logging
import sys

import msgspec
import structlog
from structlog.typing import Processor

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
        return [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), pad_event_to=0, sort_keys=False)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_to_json)]


def _to_json(event: object, **_: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)
