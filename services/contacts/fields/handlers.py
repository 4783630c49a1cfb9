"""What the service handles about fields. Their tables are kept by the read model of contacts, which counts them."""

from libs.runtime.process.service import Handlers
from services.contacts.fields.queries import QUERIES

HANDLERS = Handlers(queries=QUERIES)
