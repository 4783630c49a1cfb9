"""The connection of an SMTP client: its login, its messages, and its end.

aiosmtpd speaks the protocol; this decides which logins and messages are accepted.
"""

import asyncio
import logging
import re
from hashlib import sha256
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from prometheus_client import Counter, Gauge

from libs.kernel.field_errors import EMAIL
from libs.runtime.clock import uuid7
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from services.gateway.accounts.failed_logins import FailedLogins
from services.gateway.accounts.keys import Keys
from services.gateway.smtp.message_parser import ParsedMessage, UnreadableMessage, parse_message
from services.gateway.smtp.replies import reply_to
from services.gateway.smtp.send_client import SendClient

log = structlog.get_logger()

SMTP_SESSIONS = Gauge("godwit_smtp_sessions", "Connections of SMTP clients")
SMTP_MESSAGES = Counter("godwit_smtp_messages_total", "Messages that SMTP clients handed in, by our answer", ["reply"])

ADDRESS = re.compile(EMAIL)
USERS = (b"godwit", b"plunk")
MAX_BYTES = 15 * 1024 * 1024
"""Of a message: 10 MB of attachments as MIME writes them, and the rest of it."""

MAX_RECIPIENTS = 100
MAX_SESSIONS = 200
LOGIN_SECONDS = 30.0
"""How long a client may take to log in. Until then it can send nothing and only occupies a connection."""

IDLE_SECONDS = 300.0
MAX_LOGIN_ATTEMPTS = 3
"""Per connection."""

UNAVAILABLE = "454 4.7.0 Temporary authentication failure"
CLOSING = b"421 4.3.2 the service is stopping: try again later\r\n"
FULL = b"421 4.3.2 too many connections: try again later\r\n"

# aiosmtpd logs addresses and, at debug level, whole messages. Neither belongs in a log.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class SmtpConnections:
    """What all connections share. `all_closed` is set while there is none."""

    def __init__(self, keys: Keys, client: SendClient) -> None:
        self.keys = keys
        self.client = client
        self.failed_logins = FailedLogins("smtp")
        self.open: set[SmtpConnection] = set()
        self.all_closed = asyncio.Event()
        self.all_closed.set()
        self.closing = False

    def add(self, connection: "SmtpConnection") -> None:
        self.open.add(connection)
        self.all_closed.clear()
        SMTP_SESSIONS.set(len(self.open))

    def remove(self, connection: "SmtpConnection") -> None:
        self.open.discard(connection)
        if not self.open:
            self.all_closed.set()
        SMTP_SESSIONS.set(len(self.open))


class SmtpConnection(SMTP):
    """A connection, `encrypted` from its start or by STARTTLS. `busy` while one of its messages is being committed."""

    def __init__(self, connections: SmtpConnections, *, encrypted: bool = False, **options: Any) -> None:
        super().__init__(
            self,
            data_size_limit=MAX_BYTES,
            ident="Godwit",
            auth_required=True,
            authenticator=_accept_for_now,
            command_call_limit={"AUTH": MAX_LOGIN_ATTEMPTS, "*": 2000},
            timeout=IDLE_SECONDS,
            **options,
        )
        self._auth_require_tls = not encrypted  # aiosmtpd does not know about TLS that it has not started itself
        self._connections = connections
        self._login_deadline: asyncio.TimerHandle | None = None
        self.busy = False

    # --- start and end -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self not in self._connections.open:  # STARTTLS calls this again
            if len(self._connections.open) >= MAX_SESSIONS or self._connections.closing:
                _reject(transport, CLOSING if self._connections.closing else FULL)
            self._connections.add(self)
            self._login_deadline = self.loop.call_later(LOGIN_SECONDS, self._close_without_login)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.remove(self)
        if self._login_deadline:
            self._login_deadline.cancel()
        super().connection_lost(error)

    def close_when_idle(self) -> None:
        """Close the connection, unless a message is being committed: then it closes after the reply."""
        if not self.busy and self.transport is not None:
            _reject(self.transport, CLOSING)

    def _close_without_login(self) -> None:
        if self.transport is not None and not (self.session and self.session.authenticated):
            self.transport.close()

    # --- login -------------------------------------------------------------------------------------------------------

    async def auth_PLAIN(self, _: Any, args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's name for it
        return await self._verified(await super().auth_PLAIN(_, args))

    async def auth_LOGIN(self, _: Any, args: list[str]) -> AuthResult:  # noqa: N802
        return await self._verified(await super().auth_LOGIN(_, args))

    async def _verified(self, login: AuthResult) -> AuthResult:
        """Return whether the password is a secret key. aiosmtpd has only checked that the login is well formed."""
        if not login.success:
            self._note_failed_login("malformed")
            return login
        user, password = _login(login.auth_data)
        try:
            caller = await self._connections.keys.principal_of(password)
        except CONNECTION_ERRORS as error:
            log.warning("smtp.keys_unavailable", error=repr(error))
            return AuthResult(success=False, handled=False, message=UNAVAILABLE)
        if user.lower() not in USERS or caller is None or caller.kind != "secret":
            self._note_failed_login("invalid_api_key")
            return AuthResult(success=False, handled=False)
        return AuthResult(success=True, auth_data=LoginPassword(user, password))

    def _note_failed_login(self, reason: str) -> None:
        self._connections.failed_logins.note(reason, self.session.peer if self.session else None)

    # --- messages ----------------------------------------------------------------------------------------------------

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not ADDRESS.fullmatch(address):
            return "553 5.1.3 invalid address"
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return f"452 4.5.3 too many recipients (limit: {MAX_RECIPIENTS})"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.busy = True
        try:
            reply = await self._send(_login(session.auth_data).password.decode(), envelope)
        finally:
            self.busy = False
        SMTP_MESSAGES.labels(reply[:3]).inc()
        if self._connections.closing:
            self.loop.call_soon(self.close_when_idle)
        return reply

    async def handle_exception(self, error: Exception) -> str:
        log.error("smtp.failed", error=repr(error), exc_info=error)
        return "451 4.3.0 internal error: try again later"

    async def _send(self, api_key: str, envelope: Envelope) -> str:
        content, recipients = bytes(envelope.original_content or b""), envelope.rcpt_tos
        try:
            message = await asyncio.to_thread(parse_message, content, envelope.mail_from or "", recipients)
        except UnreadableMessage as error:
            log.info("smtp.unreadable_message", error=str(error))
            return "554 5.6.0 the message cannot be read: it is not valid RFC 5322 or MIME"
        key = _idempotency_key(message, content, recipients)
        status, body = await self._connections.client.send(api_key, key, message.body, message.header_recipients)
        return reply_to(status, body)


def _idempotency_key(message: ParsedMessage, content: bytes, recipients: list[str]) -> str:
    """Return the same key when a client that missed our reply sends the same message again.

    A message without an identity of its own gets a new key, because it may be sent twice on purpose.
    """
    if message.identity is None:
        return f"smtp-{uuid7()}"
    whole = "\0".join([*sorted(recipients), ""]).encode() + content
    return f"smtp-{sha256(whole).hexdigest()}"


def _accept_for_now(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, login: Any) -> AuthResult:
    """aiosmtpd does not await this, and keys are looked up in the database: `_verified` does that."""
    return AuthResult(success=True, auth_data=login)


def _login(data: object) -> LoginPassword:
    assert isinstance(data, LoginPassword), "only called after a login"
    return data


def _reject(transport: asyncio.BaseTransport, line: bytes) -> None:
    if isinstance(transport, asyncio.WriteTransport):
        transport.write(line)
    transport.close()
