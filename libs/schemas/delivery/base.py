"""What all messages of the delivery service have in common."""

from typing import ClassVar

from libs.schemas.base import Command, Query

# --- commands --------------------------------------------------------------------------------------------------------


class DeliveryCommand(Command, frozen=True, kw_only=True):
    service: ClassVar[str] = "delivery"


# --- queries and replies ---------------------------------------------------------------------------------------------


class DeliveryQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "delivery"
