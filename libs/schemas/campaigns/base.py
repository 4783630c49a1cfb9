"""The base classes of the campaigns service's messages."""

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
    """The id of what was deleted."""

    id: UUID
