"""One SMTP client's connection: who it is, what it hands in, and when it has to go.

aiosmtpd speaks the protocol; this says what is believed and what is taken.
"""

import asyncio
import logging
import re
from hashlib import sha256
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from libs.kernel.field_errors import EMAIL
from libs.runtime.clock import uuid7
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from services.gateway.accounts.keys import Keys
from services.gateway.http import metrics
from services.gateway.smtp.message_parser import ParsedMessage, UnreadableMessage, parse_message
from services.gateway.smtp.replies import reply_to
from services.gateway.smtp.send_client import SendClient

log = structlog.get_logger()

ADDRESS = re.compile(EMAIL)
USERS = (b"godwit", b"plunk")
MAX_BYTES = 15 * 1024 * 1024
"""Of one message: 10 MB of attachments, as MIME writes them, and what goes with them."""

MAX_RECIPIENTS = 100
MAX_SESSIONS = 200
INTRODUCE_SECONDS = 30.0
"""In which a client has to say who it is: who may hand in nothing yet may not hold a place for long."""

IDLE_SECONDS = 300.0
MAX_TRIES = 3
"""Wrong passwords in one connection."""

UNAVAILABLE = "454 4.7.0 Temporary authentication failure"
CLOSING = b"421 4.3.2 the service is stopping: try again later\r\n"
FULL = b"421 4.3.2 too many connections: try again later\r\n"

# aiosmtpd logs addresses and, at debug, whole messages: neither belongs in a log
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class Relay:
    """What all connections share. `empty` while there is none."""

    def __init__(self, keys: Keys, counter: SendClient) -> None:
        self.keys = keys
        self.counter = counter
        self.sessions: set[SmtpConnection] = set()
        self.empty = asyncio.Event()
        self.empty.set()
        self.closing = False

    def enter(self, conversation: "SmtpConnection") -> None:
        self.sessions.add(conversation)
        self.empty.clear()
        metrics.SMTP_SESSIONS.set(len(self.sessions))

    def leave(self, conversation: "SmtpConnection") -> None:
        self.sessions.discard(conversation)
        if not self.sessions:
            self.empty.set()
        metrics.SMTP_SESSIONS.set(len(self.sessions))


class SmtpConnection(SMTP):
    """A connection, `encrypted` from its start or by STARTTLS. `busy` while a message of it is being committed."""

    def __init__(self, door: Relay, *, encrypted: bool = False, **options: Any) -> None:
        super().__init__(
            self,
            data_size_limit=MAX_BYTES,
            ident="Godwit",
            auth_required=True,
            authenticator=_believe,
            command_call_limit={"AUTH": MAX_TRIES, "*": 2000},
            timeout=IDLE_SECONDS,
            **options,
        )
        self._auth_require_tls = not encrypted  # aiosmtpd knows of no TLS that it has not started itself
        self._door = door
        self._introduction: asyncio.TimerHandle | None = None
        self.busy = False

    # --- its beginning and its end -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self not in self._door.sessions:  # STARTTLS comes here again
            if len(self._door.sessions) >= MAX_SESSIONS or self._door.closing:
                _turn_away(transport, CLOSING if self._door.closing else FULL)
            self._door.enter(self)
            self._introduction = self.loop.call_later(INTRODUCE_SECONDS, self._introduced)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._door.leave(self)
        if self._introduction:
            self._introduction.cancel()
        super().connection_lost(error)

    def leave(self) -> None:
        """End the connection, unless a message is being committed: then it ends with its answer."""
        if not self.busy and self.transport is not None:
            _turn_away(self.transport, CLOSING)

    def _introduced(self) -> None:
        if self.transport is not None and not (self.session and self.session.authenticated):
            self.transport.close()

    # --- who it is ---------------------------------------------------------------------------------------------------

    async def auth_PLAIN(self, _: Any, args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's name for it
        return await self._verified(await super().auth_PLAIN(_, args))

    async def auth_LOGIN(self, _: Any, args: list[str]) -> AuthResult:  # noqa: N802
        return await self._verified(await super().auth_LOGIN(_, args))

    async def _verified(self, given: AuthResult) -> AuthResult:
        """Whether the password is a secret key. What was given is well formed; nothing more is known of it."""
        if not given.success:
            return given
        user, password = _login(given.auth_data)
        try:
            caller = await self._door.keys.principal_of(password)
        except CONNECTION_ERRORS as broken:
            log.warning("smtp.keys_unavailable", error=repr(broken))
            return AuthResult(success=False, handled=False, message=UNAVAILABLE)
        if user.lower() not in USERS or caller is None or caller.kind != "secret":
            return AuthResult(success=False, handled=False)
        return AuthResult(success=True, auth_data=LoginPassword(user, password))

    # --- what it hands in --------------------------------------------------------------------------------------------

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not ADDRESS.fullmatch(address):
            return "553 5.1.3 this is not an address"
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return f"452 4.5.3 at most {MAX_RECIPIENTS} recipients at once"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.busy = True
        try:
            reply = await self._take(_login(session.auth_data).password.decode(), envelope)
        finally:
            self.busy = False
        metrics.SMTP_MESSAGES.labels(reply[:3]).inc()
        if self._door.closing:
            self.loop.call_soon(self.leave)
        return reply

    async def handle_exception(self, error: Exception) -> str:
        log.error("smtp.failed", error=repr(error), exc_info=error)
        return "451 4.3.0 something went wrong here: try again later"

    async def _take(self, api_key: str, envelope: Envelope) -> str:
        content, recipients = bytes(envelope.original_content or b""), envelope.rcpt_tos
        try:
            letter = await asyncio.to_thread(parse_message, content, envelope.mail_from or "", recipients)
        except UnreadableMessage as bad:
            log.info("smtp.unreadable", error=str(bad))
            return "554 5.6.0 the message cannot be read: it is not as RFC 5322 and MIME have it"
        key = _key(letter, content, recipients)
        return reply_to(*await self._door.counter.send(api_key, key, letter.body, letter.addressed))


def _key(letter: ParsedMessage, content: bytes, recipients: list[str]) -> str:
    """The Idempotency-Key: the same when a client that missed our answer hands in the same message again. What its
    writer gave no identity may be meant twice."""
    if letter.identity is None:
        return f"smtp-{uuid7()}"
    whole = "\0".join([*sorted(recipients), ""]).encode() + content
    return f"smtp-{sha256(whole).hexdigest()}"


def _believe(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
    """Nothing is verified here: aiosmtpd asks this without waiting, and keys are looked up in the database."""
    return AuthResult(success=True, auth_data=given)


def _login(data: object) -> LoginPassword:
    assert isinstance(data, LoginPassword), "only who has logged in comes here"
    return data


def _turn_away(transport: asyncio.BaseTransport, line: bytes) -> None:
    if isinstance(transport, asyncio.WriteTransport):
        transport.write(line)
    transport.close()
