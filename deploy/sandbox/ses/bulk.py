"""SendBulkEmail with an inline template: one simple email per entry. Pure.

Only plain variables (`{{name}}`, `{{person.name}}`) are filled in; anything else of Handlebars is rejected.
"""

import re
from collections.abc import Mapping
from html import escape

import msgspec

from deploy.sandbox.http.requests import (
    Body,
    BulkEntry,
    Content,
    Header,
    SendBulkEmail,
    SendEmail,
    SimpleContent,
    Text,
)
from deploy.sandbox.ses.drafts import Draft, bad_request, draft_of

VARIABLE = re.compile(r"\{\{\{?\s*([\w-]+(?:\.[\w-]+)*)\s*\}?\}\}")

Values = Mapping[str, object]


def bulk_draft(call: SendBulkEmail, entry: BulkEntry) -> Draft:
    email = SendEmail(
        content=Content(simple=_content(call, entry)),
        from_email_address=call.from_email_address,
        destination=entry.destination,
        reply_to_addresses=call.reply_to_addresses,
        email_tags=call.default_email_tags + entry.replacement_tags,
        configuration_set_name=call.configuration_set_name,
    )
    return draft_of(email, msgspec.json.encode(email))


def _content(call: SendBulkEmail, entry: BulkEntry) -> SimpleContent:
    template = call.default_content.template
    if template.template_content is None:
        raise bad_request("The sandbox stores no templates: give the template's content inline.")
    replacement = entry.replacement_email_content.replacement_template.replacement_template_data
    values = {**_values(template.template_data), **_values(replacement)}
    inline = template.template_content
    return SimpleContent(
        subject=Text(_filled(inline.subject, values)),
        body=Body(
            text=Text(_filled(inline.text, values)) if inline.text else None,
            html=Text(_filled(inline.html, values, html=True)) if inline.html else None,
        ),
        headers=_replaced(template.headers, entry.replacement_headers),
    )


def _values(template_data: str) -> Values:
    try:
        return msgspec.json.decode(template_data or "{}", type=dict[str, object])
    except msgspec.DecodeError:
        raise bad_request("Template data is not a JSON object.") from None


def _filled(template: str, values: Values, *, html: bool = False) -> str:
    def value_of(match: re.Match[str]) -> str:
        value = _look_up(values, match[1])
        return value if not html or match[0].startswith("{{{") else escape(value)

    if "{{" in VARIABLE.sub("", template):
        raise bad_request("The sandbox fills in plain variables only: no blocks, helpers or partials.")
    return VARIABLE.sub(value_of, template)


def _look_up(values: Values, path: str) -> str:
    found: object = values
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            raise bad_request(f"Attribute '{path}' is not present in the rendering data.")
        found = found[name]
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()


def _replaced(headers: list[Header], replacements: list[Header]) -> list[Header]:
    return list({header.name.lower(): header for header in headers + replacements}.values())
