"""The connection of an SMTP client: its login, its messages, and its end.

aiosmtpd speaks the protocol; this decides which logins and messages are accepted.
"""

import asyncio
import logging
import re
from hashlib import sha256
from typing import Any
from uuid import UUID

import structlog
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, syntax
from prometheus_client import Counter

from libs.kernel.field_errors import EMAIL
from libs.runtime.clock import uuid7
from libs.runtime.messaging.bus import RateLimited
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from services.gateway.smtp.connections import CLOSING, MAX_SESSIONS_PER_PROJECT, SmtpConnections
from services.gateway.smtp.message_limits import MessageRefused
from services.gateway.smtp.message_parser import ParsedMessage
from services.gateway.smtp.message_reader import UploadDeadline, read_message
from services.gateway.smtp.replies import reply_to

log = structlog.get_logger()

SMTP_MESSAGES = Counter("godwit_smtp_messages_total", "Messages that SMTP clients handed in, by our answer", ["reply"])

ADDRESS = re.compile(EMAIL)
USERS = (b"godwit", b"plunk")
MAX_BYTES = 15 * 1024 * 1024
"""The largest message: 10 MB of attachments in MIME encoding, and the rest of it."""

MAX_RECIPIENTS = 100
LOGIN_SECONDS = 30.0
"""How long a client may take to log in. Until then it can send nothing and only occupies a connection."""

IDLE_SECONDS = 300.0
"""Between two commands of a client that has logged in: what RFC 5321 asks of servers."""

SESSION_SECONDS = 1800.0
"""From the start of a connection to its last message."""

LINGER_SECONDS = 5.0
"""How long a client may take to read our last line."""

TINY = 0.001
MAX_LOGIN_ATTEMPTS = 3
"""Per connection."""

UNAVAILABLE = "454 4.7.0 Temporary authentication failure"
TOO_MANY_LOGINS = f"454 4.7.0 too many connections of this project (limit: {MAX_SESSIONS_PER_PROJECT})"
EXPIRED = b"421 4.4.2 the connection is too old: connect again\r\n"
TOO_SLOW = b"421 4.4.2 no data in time\r\n"

# aiosmtpd logs addresses and, at debug level, whole messages. Neither belongs in a log.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


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
        self._timers: list[asyncio.TimerHandle] = []
        self._socket: asyncio.BaseTransport | None = None
        self._expired = False
        self._upload: UploadDeadline | None = None
        self.peer = ""
        self.project: UUID | None = None
        self.busy = False

    # --- start and end -----------------------------------------------------------------------------------------------

    def admit(self, transport: asyncio.BaseTransport) -> bytes | None:
        """Take a place for the socket, before anything is read from it. Return the reply if there is none."""
        self._socket = transport
        self.peer = str((transport.get_extra_info("peername") or ("",))[0])
        refusal = self._connections.add(self)
        if refusal is None:
            self._timers = [
                self.loop.call_later(LOGIN_SECONDS, self._close_without_login),
                self.loop.call_later(SESSION_SECONDS, self._expire),
            ]
        return refusal

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._socket is None and (refusal := self.admit(transport)):  # STARTTLS calls this again
            _reject(transport, refusal)
        else:
            super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self.session is None:
            return  # the client was refused
        if self._upload:
            self._reset_timeout(self._upload.after(len(data), self.loop.time()) or TINY)
        super().data_received(data)

    def eof_received(self) -> bool | None:
        return False if self.session is None else super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self.forget()
        if self.session is not None:
            super().connection_lost(error)

    def forget(self) -> None:
        """Give back the place of the connection."""
        self._connections.remove(self)
        for timer in self._timers:
            timer.cancel()

    def abort(self) -> None:
        """Close the connection at once. In a TLS handshake nobody else would tell aiosmtpd of its end."""
        if isinstance(self._socket, asyncio.WriteTransport):
            self._socket.abort()
        if self._handler_coroutine:
            self._handler_coroutine.cancel()
        if self._timeout_handle:
            self._timeout_handle.cancel()
        self.forget()

    def close_when_idle(self) -> None:
        """Close the connection, unless a message is being committed: then it closes after the reply."""
        if not self.busy:
            self._close(CLOSING)

    def _close_without_login(self) -> None:
        if self.project is None:
            self.abort()

    def _expire(self) -> None:
        self._expired = True
        if not self.busy and not self._upload:
            self._close(EXPIRED)

    def _timeout_cb(self) -> None:
        self._close(TOO_SLOW)

    def _close(self, line: bytes) -> None:
        """Say why, and close the connection: at once where the client does not read or is not there yet."""
        if self.transport is None:
            self.abort()
        else:
            _reject(self.transport, line)
            self._timers.append(self.loop.call_later(LINGER_SECONDS, self.abort))

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
        if not self._connections.may_log_in(caller.project):
            return AuthResult(success=False, handled=False, message=TOO_MANY_LOGINS)
        self.project = caller.project
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

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Receive a message and answer it. (aiosmtpd keeps an object per line, which takes twenty times its size.)"""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        assert self.envelope is not None and self.project is not None, "the client has logged in"
        if arg or not self.envelope.rcpt_tos:
            await self.push("501 5.5.4 Syntax: DATA" if arg else "503 5.5.1 Error: need RCPT command")
            return
        try:
            async with self._connections.messages.hold(self.project):
                reply = await self._receive(self.project, self.envelope)
        except RateLimited as busy:
            reply = f"451 4.3.2 {busy}"
        except MessageRefused as refused:
            reply = refused.reply
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        SMTP_MESSAGES.labels(reply[:3]).inc()
        await self.push(reply)
        if self._expired:
            self._close(EXPIRED)

    async def _receive(self, project: UUID, envelope: Envelope) -> str:
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        self._upload = UploadDeadline(self.loop.time())
        self._reset_timeout(UploadDeadline.START_SECONDS)
        try:
            content = await read_message(self._reader, MAX_BYTES)
        finally:
            self._upload = None
            self._reset_timeout()
        return await self._commit(project, envelope, content)

    async def _commit(self, project: UUID, envelope: Envelope, content: bytes) -> str:
        """Send the message, and return the reply. Meanwhile the connection is not closed."""
        self.busy = True
        try:
            return await self._send(project, envelope.mail_from or "", envelope.rcpt_tos, content)
        finally:
            self.busy = False
            if self._connections.closing:
                self.loop.call_soon(self.close_when_idle)

    async def handle_exception(self, error: Exception) -> str:
        log.error("smtp.failed", error=repr(error), exc_info=error)
        return "451 4.3.0 internal error: try again later"

    async def _send(self, project: UUID, sender: str, recipients: list[str], content: bytes) -> str:
        message = await self._connections.parsing.parse(project, content, sender, recipients)
        key = _idempotency_key(message, content, recipients)
        assert self.session is not None
        secret = _login(self.session.auth_data).password.decode()
        status, body = await self._connections.client.send(secret, key, message.body, message.header_recipients)
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
