"""What the content rules handle: who uses a sender domain or a contact field."""

from libs.runtime.process.service import Handlers
from libs.schemas.campaigns.campaigns import CountDomainUses
from libs.schemas.contacts.fields import FindFieldInCampaigns
from services.campaigns.content.domain_uses import count_domain_uses
from services.campaigns.content.field_uses import find_field
from services.campaigns.content.read_models import sender_domain

HANDLERS = Handlers(
    queries={CountDomainUses: count_domain_uses, FindFieldInCampaigns: find_field},
    read_models=(sender_domain,),
)
