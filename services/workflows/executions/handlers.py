"""What executions handle."""

from libs.runtime.process.service import Handlers
from libs.schemas.contacts.contacts import ContactDeleted
from services.workflows.executions.advance import AdvanceExecution, ExecutionAdvancer
from services.workflows.executions.contacts_client import ContactsClient
from services.workflows.executions.forgetting import forget_contacts
from services.workflows.executions.queries import QUERIES
from services.workflows.executions.read_models import execution


def execution_handlers() -> Handlers:
    contacts = ContactsClient()
    return Handlers(
        reactions={ContactDeleted: forget_contacts},
        timers={AdvanceExecution: ExecutionAdvancer(contacts)},
        queries=QUERIES,
        read_models=(execution,),
        work=(contacts.connect,),
    )
