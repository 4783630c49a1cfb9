"""The sandbox as a whole: build the parts, dispatch requests, start and stop the background work."""

import asyncio
import logging
from contextlib import suppress

from deploy.sandbox.control import Control
from deploy.sandbox.http.asgi import (
    ApiError,
    NoResponse,
    Receive,
    Request,
    Response,
    Router,
    Scope,
    Send,
    error_response,
    respond,
    withhold_response,
)
from deploy.sandbox.http.origins import OwnOrigin
from deploy.sandbox.mailbox.ledger import Ledger
from deploy.sandbox.mailbox.pages import Pages
from deploy.sandbox.routes import add_control, add_pages_and_sns, add_ses
from deploy.sandbox.ses.account import Account, one_day_ago
from deploy.sandbox.ses.configuration_sets import ConfigurationSets
from deploy.sandbox.ses.faults import Faults
from deploy.sandbox.ses.identities import Identities
from deploy.sandbox.ses.sending import Ses
from deploy.sandbox.ses.suppression import SuppressionList
from deploy.sandbox.settings import Settings
from deploy.sandbox.sns.envelopes import Topic, load_signer
from deploy.sandbox.sns.notifier import Notifier
from deploy.sandbox.sns.subscriptions import Subscriptions
from deploy.sandbox.sqs.queue import Queue
from deploy.sandbox.storage.store import Store

log = logging.getLogger("sandbox")


class Sandbox:
    """The parts of the sandbox, and its background work from `start` to `stop`: the committer and the notifier."""

    def __init__(self, settings: Settings) -> None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._settings = settings
        signer = load_signer(settings.data_dir)
        topic = Topic(settings.topic_arn, settings.url, signer.certificate_name)
        self._store = store = Store(settings.data_dir)
        ledger = Ledger(store)
        self._subscriptions = subscriptions = Subscriptions(store, settings.topic_arn)
        queue = Queue(store, settings.url)
        self._notifier = notifier = Notifier(store, ledger, subscriptions, topic, signer, settings.region, queue)
        account = Account(settings, ledger.sent_per_minute(since=one_day_ago()))
        faults, suppression = Faults(), SuppressionList(store)
        identities = Identities(store, account, settings.region)
        ses = Ses(account, faults, ledger, identities, suppression, subscriptions)
        self._sets = ConfigurationSets(store)
        self.router = Router()
        self.own_origin = OwnOrigin(settings.port)
        add_ses(self.router, ses, identities, suppression, self._sets)
        add_control(self.router, Control(account, faults, ledger, identities, subscriptions, notifier, ses))
        add_pages_and_sns(self.router, Pages(ledger), subscriptions, signer, queue)

    async def start(self) -> None:
        self._committing = asyncio.create_task(self._store.commit_forever())
        await self._sets.open(self._settings.topic_arn)
        await self._subscriptions.open(self._settings.endpoints)
        self._notifying = asyncio.create_task(self._notifier.run())

    async def stop(self) -> None:
        """Stop without losing anything: notifications that are still pending stay on disk for the next start."""
        await _cancelled(self._notifying)
        await self._notifier.stop()
        await _cancelled(self._committing)
        await self._store.close()


class Application:
    """The ASGI application around a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        request = Request(scope, receive)
        try:
            await respond(await self._answer(request), send)
        except NoResponse as silence:
            await withhold_response(request, silence)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._sandbox.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._sandbox.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, request: Request) -> Response:
        try:
            self._sandbox.own_origin.check(request)
            found = self._sandbox.router.find(request.method, request.path)
            if found is None:
                raise ApiError(404, "UnknownOperationException", f"There is no {request.method} {request.path}.")
            handler, names = found
            return await handler(request, **names)
        except ApiError as error:
            return error_response(error)
        except NoResponse:
            raise
        except Exception:
            log.exception("request.failed", extra={"path": request.path})
            return error_response(ApiError(500, "InternalServiceErrorException", "The sandbox failed; see its log."))


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
