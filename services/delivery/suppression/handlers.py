"""What the suppression folder handles."""

from typing import get_args

from libs.runtime.process.runtime import Runtime
from libs.runtime.process.service import Handlers
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.delivery.suppressions import ReleaseAddress, SuppressAddresses
from services.delivery.ses.connection import SesConnection
from services.delivery.suppression import forgetting, queries, rule
from services.delivery.suppression.account_list import AccountList
from services.delivery.suppression.commands import change_rules, release_addresses, suppress_addresses
from services.delivery.suppression.read_models import suppressed_address, suppression, suppression_rule


def handlers(ses: SesConnection) -> Handlers:
    async def synchronise_account_list(runtime: Runtime) -> None:
        await AccountList(runtime, (await ses.client()).api).run()

    return Handlers(
        commands={
            **dict.fromkeys(get_args(rule.Command), change_rules()),
            SuppressAddresses: suppress_addresses,
            ReleaseAddress: release_addresses,
        },
        queries=queries.QUERIES,
        shared_tables=("account_suppression",),
        reactions={ContactDeleted: forgetting.begin},
        timers={forgetting.ForgetMails: forgetting.forget_mails},
        read_models=(suppression, suppressed_address, suppression_rule),
        work=(synchronise_account_list,),
    )
