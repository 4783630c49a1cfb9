"""Forgetting deleted contacts: their executions stay, without address and context."""

from collections.abc import Sequence

from libs.runtime.eventstore.data_keys import erase_data_keys, forgotten_subjects
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.contacts.contacts import ContactDeleted

# What a rebuild from the log would give from now on. It joins the workflows because executions are indexed by them.
BLANK = """
update execution set email = '', context = '{}'
from unnest($1::uuid[], $2::uuid[]) as deleted (project, contact_id)
join workflow on workflow.project = deleted.project
where execution.project = deleted.project and execution.workflow_id = workflow.id
    and execution.contact_id = deleted.contact_id
"""


async def forget_contacts(unit: UnitOfWork, envelopes: Sequence[Envelope[ContactDeleted]]) -> None:
    contacts = forgotten_subjects(envelopes)
    await erase_data_keys(unit.conn, contacts)
    await unit.conn.execute(BLANK, [project for project, _ in contacts], [contact for _, contact in contacts])
