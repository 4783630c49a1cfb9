"""What the domains folder handles."""

from typing import get_args

from libs.runtime.process.runtime import Runtime
from libs.runtime.process.service import Handlers
from libs.runtime.process.settings import Settings
from libs.schemas.delivery.domains import GetDomain, ListDomains
from services.delivery.domains import domain as decider
from services.delivery.domains.commands import change_domains
from services.delivery.domains.domain_verifier import DomainVerifier
from services.delivery.domains.queries import DomainQueries
from services.delivery.domains.read_models import domain
from services.delivery.domains.txt_lookup import TxtLookup
from services.delivery.domains.views import DomainViews
from services.delivery.ses.connection import SesConnection
from services.delivery.ses.identities import Identities


def handlers(config: Settings, ses: SesConnection) -> Handlers:
    by_dns = config.domain_proof == "dns"
    views = DomainViews(config.aws_region, by_dns=by_dns)
    queries = DomainQueries(views)

    async def verify(runtime: Runtime) -> None:
        api = (await ses.client()).api
        lookup = TxtLookup(config.dns_servers) if by_dns else None
        await DomainVerifier(runtime, Identities(api, config.mail_from_subdomain), lookup).run()

    return Handlers(
        commands=dict.fromkeys(get_args(decider.Command), change_domains(views)),
        queries={ListDomains: queries.list, GetDomain: queries.get},
        read_models=(domain,),
        work=(verify,),
    )
