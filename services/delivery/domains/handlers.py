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
from services.delivery.ses.connection import SesConnection
from services.delivery.ses.identities import Identities


def handlers(config: Settings, ses: SesConnection) -> Handlers:
    queries = DomainQueries(config.aws_region)

    async def verify(runtime: Runtime) -> None:
        api = (await ses.client()).api
        await DomainVerifier(runtime, Identities(api, config.mail_from_subdomain)).run()

    return Handlers(
        commands=dict.fromkeys(get_args(decider.Command), change_domains(config.aws_region)),
        queries={ListDomains: queries.list, GetDomain: queries.get},
        read_models=(domain,),
        work=(verify,),
    )
