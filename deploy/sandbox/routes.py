"""Every route of the sandbox."""

from deploy.sandbox.control import Control
from deploy.sandbox.http.asgi import (
    ApiError,
    Handler,
    Request,
    Response,
    Router,
    json_response,
    last_values,
)
from deploy.sandbox.mailbox.pages import Pages
from deploy.sandbox.ses.configuration_sets import ConfigurationSets
from deploy.sandbox.ses.identities import Identities
from deploy.sandbox.ses.sending import Ses
from deploy.sandbox.ses.suppression import SuppressionList
from deploy.sandbox.sns.envelopes import Signer
from deploy.sandbox.sns.subscriptions import Subscriptions
from deploy.sandbox.sqs.queue import TARGET, Queue

SIGNATURE_SCHEME = "AWS4-HMAC-SHA256 "
V2 = "/v2/email"


def add_ses(
    router: Router, ses: Ses, identities: Identities, suppression: SuppressionList, sets: ConfigurationSets
) -> None:
    routes: list[tuple[str, str, Handler]] = [
        ("POST", "/outbound-emails", ses.send_email),
        ("POST", "/outbound-bulk-emails", ses.send_bulk_email),
        ("GET", "/account", ses.get_account),
        ("POST", "/identities", identities.create),
        ("POST", "/list-identities", identities.list),
        ("GET", "/identities/{name}", identities.get),
        ("DELETE", "/identities/{name}", identities.delete),
        ("PUT", "/identities/{name}/mail-from", identities.put_mail_from),
        ("PUT", "/identities/{name}/dkim/signing", identities.put_dkim_signing),
        ("PUT", "/suppression/addresses", suppression.put),
        ("GET", "/suppression/addresses", suppression.list),
        ("GET", "/suppression/addresses/{address}", suppression.get),
        ("DELETE", "/suppression/addresses/{address}", suppression.delete),
        ("POST", "/configuration-sets", sets.create),
        ("POST", "/list-configuration-sets", sets.list),
        ("GET", "/configuration-sets/{name}", sets.get),
        ("DELETE", "/configuration-sets/{name}", sets.delete),
        ("POST", "/configuration-sets/{name}/event-destinations", sets.create_destination),
        ("GET", "/configuration-sets/{name}/event-destinations", sets.destinations),
    ]
    for method, path, handler in routes:
        router.add(method, V2 + path, _signed(handler))


def add_control(router: Router, control: Control) -> None:
    router.add("GET", "/livez", _livez)
    router.add("GET", "/sandbox/messages", control.messages)
    router.add("DELETE", "/sandbox/messages", control.clear_messages)
    router.add("GET", "/sandbox/stats", control.stats)
    router.add("GET", "/sandbox/faults", control.faults)
    router.add("POST", "/sandbox/faults", control.plant_fault)
    router.add("DELETE", "/sandbox/faults", control.clear_faults)
    router.add("GET", "/sandbox/notifications", control.notifications)
    router.add("POST", "/sandbox/notifications", control.set_notifications)
    router.add("GET", "/sandbox/account", control.account)
    router.add("POST", "/sandbox/account", control.set_account)
    router.add("GET", "/sandbox/behaviour", control.behaviour)
    router.add("POST", "/sandbox/behaviour", control.set_behaviour)
    router.add("POST", "/sandbox/identities", control.verify_identity)


def add_pages_and_sns(router: Router, pages: Pages, subscriptions: Subscriptions, signer: Signer, queue: Queue) -> None:
    """Add the mailbox, SNS and SQS. All three live at `/`: a call has an Action or a target, a browser has neither."""

    async def front(request: Request) -> Response:
        query = request.query
        return await (subscriptions.respond(query) if "Action" in query else pages.list(request))

    async def sns(request: Request) -> Response:
        if request.header(b"x-amz-target").startswith(TARGET):
            return await sqs(request)
        return await subscriptions.respond(last_values(await request.body()))

    sqs = _signed(queue.respond)

    async def certificate(request: Request) -> Response:
        return Response(signer.certificate, content_type=b"application/x-pem-file")

    router.add("GET", "/", front)
    router.add("POST", "/", sns)
    router.add("GET", f"/{signer.certificate_name}", certificate)
    router.add("GET", "/messages/{message_id}", pages.show)
    router.add("GET", "/messages/{message_id}/raw", pages.raw)


def _signed(handler: Handler) -> Handler:
    """Wrap a handler to reject calls without credentials, as AWS does. Signatures are not checked: any key will do."""

    async def checked(request: Request, **names: str) -> Response:
        authorization = request.header(b"authorization")
        if not authorization:
            raise ApiError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        if not authorization.startswith(SIGNATURE_SCHEME):
            raise ApiError(
                403, "IncompleteSignatureException", "Unsupported AWS 'algorithm' in the Authorization header."
            )
        return await handler(request, **names)

    return checked


async def _livez(request: Request) -> Response:
    return json_response({"status": "ok"})
