"""What all messages of the campaigns service have in common."""

from typing import ClassVar
from uuid import UUID

from libs.schemas.base import Command, Query, View

# --- commands --------------------------------------------------------------------------------------------------------


class CampaignsCommand(Command, frozen=True, kw_only=True):
    service: ClassVar[str] = "campaigns"


# --- queries and answers ---------------------------------------------------------------------------------------------


class CampaignsQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "campaigns"


class Deleted(View, frozen=True, kw_only=True):
    """What is not there any more."""

    id: UUID
