"""The topic's subscriptions, and the three SNS calls that change them: Subscribe, ConfirmSubscription, Unsubscribe.

They use SNS's query protocol: a GET of the SubscribeURL and boto3's `sns.confirm_subscription` both arrive here.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from uuid import uuid4
from xml.sax.saxutils import escape

import msgspec

from deploy.sandbox.http.asgi import ApiError, Response
from deploy.sandbox.settings import ACCOUNT_ID, QUEUE_ARN
from deploy.sandbox.storage.store import Store

ALL = "select id, endpoint, token, confirmed_at is not null from subscription order by id"
ADD = "insert or ignore into subscription (endpoint, token) values (?, ?)"
CONFIRM = "update subscription set confirmed_at = ? where id = ?"
REMOVE = "delete from subscription where id = ?"
FORGET_NOTIFICATIONS = "delete from notification where subscription = ?"

XML = b"text/xml"


class Subscription(msgspec.Struct, frozen=True):
    id: int
    arn: str
    endpoint: str
    token: str
    confirmed: bool


class Subscriptions:
    """The current subscriptions, in memory and on disk. Unconfirmed ones collect notifications but receive none."""

    def __init__(self, store: Store, topic_arn: str) -> None:
        self._store, self._topic_arn = store, topic_arn
        self.current: list[Subscription] = []

    @property
    def ids(self) -> Sequence[int]:
        return [subscription.id for subscription in self.current]

    async def open(self, endpoints: Sequence[str]) -> None:
        """Subscribe these endpoints, and remove those of an earlier run that are not among them."""
        self._reload()
        for subscription in self.current:
            if subscription.endpoint not in endpoints:
                await self.remove(subscription)
        for endpoint in endpoints:
            await self.add(endpoint)

    async def add(self, endpoint: str) -> None:
        await self._store.write((ADD, [(endpoint, secrets.token_hex(32))]))
        self._reload()
        if endpoint.startswith(QUEUE_ARN):  # a queue of the topic's own account is confirmed at once
            await self.confirm(next(each for each in self.current if each.endpoint == endpoint))

    async def confirm(self, subscription: Subscription) -> None:
        await self._store.write((CONFIRM, [(time.time(), subscription.id)]))
        self._reload()

    async def remove(self, subscription: Subscription) -> None:
        await self._store.write((FORGET_NOTIFICATIONS, [(subscription.id,)]), (REMOVE, [(subscription.id,)]))
        self._reload()

    def _reload(self) -> None:
        self.current = [
            Subscription(number, self._arn(number), endpoint, token, bool(confirmed))
            for number, endpoint, token, confirmed in self._store.rows(ALL)
        ]

    def _arn(self, number: int) -> str:
        return f"{self._topic_arn}:{number:08x}-0000-4000-8000-000000000000"

    async def respond(self, call: Mapping[str, str]) -> Response:
        try:
            match call.get("Action"):
                case "Subscribe":
                    return await self._subscribe(call)
                case "ConfirmSubscription":
                    return await self._confirm(call)
                case "Unsubscribe":
                    return await self._unsubscribe(call)
                case "ListSubscriptionsByTopic":
                    return self._list(call)
                case action:
                    raise ApiError(400, "InvalidAction", f"The action {action} is not valid for this endpoint.")
        except ApiError as error:
            return _refusal(error)

    async def _subscribe(self, call: Mapping[str, str]) -> Response:
        self._require_topic(call)
        endpoint = call.get("Endpoint", "")
        if call.get("Protocol") not in ("http", "https") or not endpoint.startswith(f"{call['Protocol']}://"):
            raise ApiError(400, "InvalidParameter", "Invalid parameter: Endpoint must be an http or https URL")
        await self.add(endpoint)
        subscription = next(each for each in self.current if each.endpoint == endpoint)
        arn = subscription.arn if subscription.confirmed else "pending confirmation"
        return _result("Subscribe", f"<SubscriptionArn>{escape(arn)}</SubscriptionArn>")

    async def _confirm(self, call: Mapping[str, str]) -> Response:
        self._require_topic(call)
        given = call.get("Token", "").encode()
        for subscription in self.current:
            if secrets.compare_digest(subscription.token.encode(), given):
                await self.confirm(subscription)
                arn = escape(subscription.arn)
                return _result("ConfirmSubscription", f"<SubscriptionArn>{arn}</SubscriptionArn>")
        raise ApiError(400, "InvalidParameter", "Invalid parameter: Token")

    async def _unsubscribe(self, call: Mapping[str, str]) -> Response:
        for subscription in self.current:
            if subscription.arn == call.get("SubscriptionArn"):
                await self.remove(subscription)
                return _result("Unsubscribe")
        raise ApiError(404, "NotFound", "Subscription does not exist")

    def _list(self, call: Mapping[str, str]) -> Response:
        """List all subscriptions on one page: there are never more than a few."""
        self._require_topic(call)
        members = "".join(self._member(subscription) for subscription in self.current)
        return _result("ListSubscriptionsByTopic", f"<Subscriptions>{members}</Subscriptions>")

    def _member(self, subscription: Subscription) -> str:
        arn = subscription.arn if subscription.confirmed else "PendingConfirmation"
        protocol = subscription.endpoint.partition("://")[0]
        fields = {
            "TopicArn": self._topic_arn,
            "Protocol": protocol,
            "SubscriptionArn": arn,
            "Owner": ACCOUNT_ID,
            "Endpoint": subscription.endpoint,
        }
        return f"<member>{''.join(f'<{name}>{escape(value)}</{name}>' for name, value in fields.items())}</member>"

    def _require_topic(self, call: Mapping[str, str]) -> None:
        if call.get("TopicArn") != self._topic_arn:
            raise ApiError(404, "NotFound", "Topic does not exist")


NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"


def _result(action: str, content: str = "") -> Response:
    result = f"<{action}Result>{content}</{action}Result>" if content else ""
    return Response(
        _document(f"{action}Response", f"{result}<ResponseMetadata>{_request_id()}</ResponseMetadata>"), 200, XML
    )


def _refusal(error: ApiError) -> Response:
    detail = f"<Type>Sender</Type><Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
    return Response(_document("ErrorResponse", f"<Error>{detail}</Error>{_request_id()}"), error.status, XML)


def _document(name: str, content: str) -> bytes:
    return f'<{name} xmlns="{NAMESPACE}">{content}</{name}>'.encode()


def _request_id() -> str:
    return f"<RequestId>{uuid4()}</RequestId>"
