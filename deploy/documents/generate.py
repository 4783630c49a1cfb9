"""Generate the documents, by file name below docs/."""

from typing import Any, get_type_hints

import msgspec
from msgspec import NODEFAULT

from deploy.documents.asyncapi import document as asyncapi
from deploy.embedded.settings import Settings as StackSettings
from deploy.services import declared_services
from libs.runtime.process.settings import PLAIN, Settings

HEAD = """\
# Settings

Environment variables, read once when a process starts. An unknown `GODWIT_*` name or an invalid value stops it with one
line that names the setting. This page is generated from `libs/runtime/process/settings.py` by `make docs`.

"""


def generate() -> dict[str, str]:
    """Return the text of every generated document by its file name."""
    return {
        "openapi.json": _json(openapi()),
        "asyncapi.json": _json(asyncapi(declared_services())),
        "settings.md": settings(),
    }


def openapi() -> Any:
    """Return the OpenAPI document as the gateway serves it."""
    from services.gateway.app import openapi_schema

    return openapi_schema()


def settings() -> str:
    """Return the settings page: the services' settings and those of `godwit up`."""
    services = "## Every service\n\n" + _table(Settings)
    stack = "\n## `godwit up` and the Makefile\n\n" + _table(
        StackSettings, only=("http_port", "sandbox_port", "data_dir")
    )
    replicas = "| `GODWIT_REPLICAS_<SERVICE>` | `1` | Processes of one service, as in `GODWIT_REPLICAS_DELIVERY=2` |\n"
    return HEAD + services + stack + replicas


def _table(model: type[msgspec.Struct], only: tuple[str, ...] | None = None) -> str:
    hints = get_type_hints(model, include_extras=True)
    rows = [
        f"| `{_name(field.name)}` | {_default(field)} | {_description(hints[field.name])} |\n"
        for field in msgspec.structs.fields(model)
        if only is None or field.name in only
    ]
    return "| name | default | meaning |\n|---|---|---|\n" + "".join(rows)


def _name(field: str) -> str:
    return field.upper() if field.upper() in PLAIN else f"GODWIT_{field.upper()}"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is NODEFAULT:
        return "required"
    return "none" if field.default in (None, "") else f"`{field.default}`"


def _description(hint: Any) -> str:
    metas = (meta for meta in getattr(hint, "__metadata__", ()) if isinstance(meta, msgspec.Meta))
    return next((meta.description for meta in metas if meta.description), "")


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=2).decode() + "\n"
