"""Forgetting contacts that are deleted: of their ways through workflows the steps stay, not what they were told."""

from collections.abc import Sequence

from libs.runtime.eventstore.encryption import erase_data_keys, forgotten_subjects
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.contacts.contacts import ContactDeleted

# As the log would tell it from now on. By way of the workflows, because that is how executions are indexed.
BLANK = """
update execution set email = '', context = '{}'
from unnest($1::uuid[], $2::uuid[]) as gone (project, contact_id)
join workflow on workflow.project = gone.project
where execution.project = gone.project and execution.workflow_id = workflow.id
    and execution.contact_id = gone.contact_id
"""


async def forget_contacts(unit: UnitOfWork, envelopes: Sequence[Envelope[ContactDeleted]]) -> None:
    people = forgotten_subjects(envelopes)
    await erase_data_keys(unit.conn, people)
    await unit.conn.execute(BLANK, [project for project, _ in people], [contact for _, contact in people])
