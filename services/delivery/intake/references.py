"""Looks up what requests to send mail refer to: templates, sending domains and default senders."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TypeAlias
from uuid import UUID

import msgspec

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.store import Connection
from libs.schemas.delivery.content import Content
from services.delivery.domains.read_models import domain as domains
from services.delivery.intake.admission import DomainStatus, SendRequest, content_of
from services.delivery.rendering.content import domain_of
from services.delivery.rendering.read_models import content as contents

MAX_WAIT = 1.0
CHECK_EVERY = 0.05
DEFAULT_SENDER = "no-reply@{}"

Requests: TypeAlias = Sequence[tuple[UUID, SendRequest]]
"""Requests with their projects."""


class References(msgspec.Struct, frozen=True):
    """What the requests of a batch refer to: templates of projects by id, default senders, and owners of domains.

    A batch has requests of several projects, so that no key is without its project.
    """

    templates: Mapping[contents.Key, Content]
    senders: Mapping[UUID, str]
    owners: domains.Owners = {}

    def content(self, project: UUID, request: SendRequest) -> Content:
        """Return the content to send. Raise Rejected if there is no such template."""
        template = self.templates.get((project, request.template_id)) if request.template_id else None
        return content_of(request, template, self.senders.get(project))

    def status(self, project: UUID, content: Content) -> DomainStatus:
        """Return whether the project may send from the content's domain, whoever else has it."""
        verified = self.owners.get(domain_of(content), {}).get(project)
        return "unknown" if verified is None else "verified" if verified else "unverified"


async def look_up(conn: Connection, requests: Requests) -> References:
    """Return what the requests refer to, as far as it exists."""
    without_sender = {project for project, request in requests if request.content and not request.content.from_email}
    senders = {
        project: DEFAULT_SENDER.format(name)
        for project, name in (await domains.first_verified(conn, without_sender)).items()
    }
    found = References(await _templates(conn, requests), senders)
    names: set[str] = set()
    for project, request in requests:
        with suppress(Rejected):  # the request is rejected later, when it is decided
            names.add(domain_of(found.content(project, request)))
    return References(found.templates, senders, await domains.named(conn, names, {project for project, _ in requests}))


async def _templates(conn: Connection, requests: Requests) -> Mapping[contents.Key, Content]:
    """Return the templates of the requests. Wait briefly for missing ones: they may have been created a moment ago."""
    wanted = {(project, request.template_id) for project, request in requests if request.template_id}
    found = await contents.find(conn, wanted, usable=True)
    for _ in range(int(MAX_WAIT / CHECK_EVERY)):
        if len(found) == len(wanted):
            break
        await asyncio.sleep(CHECK_EVERY)
        found = await contents.find(conn, wanted, usable=True)
    return found
