"""What the archive of notifications handles."""

from libs.runtime.process.service import Handlers
from libs.schemas.contacts.contacts import ContactDeleted
from services.feedback.notifications.archive import delete_old_notifications, forget_contacts

HANDLERS = Handlers(reactions={ContactDeleted: forget_contacts}, work=(delete_old_notifications,))
