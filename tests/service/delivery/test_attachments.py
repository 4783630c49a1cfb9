"""Attachments: stored outside the log, sent with the mail, and dropped when no mail needs them."""

from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.process.testing import facts, tell
from libs.schemas.delivery.content import PIECE_BYTES, Attachment, KeptPiece, MailOptions, StoreFilePiece
from libs.schemas.delivery.emails import EmailRecipient, QueuedEmails, SendEmails
from services.delivery.rendering import attachments
from tests.service.delivery.driver import DeliveryDriver, address, content
from tests.service.delivery.sandbox import Sandbox

FORGOTTEN_LONG_AGO = "update file_piece set kept_at = kept_at - interval '2 hours' where project = $1"
KEPT = "select count(*) from file_piece where project = $1"


async def store(driver: DeliveryDriver, data: bytes, **changes: Any) -> Attachment:
    digest = sha256(data).hexdigest()
    for number, start in enumerate(range(0, len(data), PIECE_BYTES)):
        piece = StoreFilePiece(digest=digest, number=number, data=data[start : start + PIECE_BYTES])
        assert (await tell(driver.client, driver.project, piece, KeptPiece)).number == number
    usual: dict[str, Any] = {"filename": "Rechnung Ü.pdf", "content_type": "application/pdf"}
    return Attachment(**usual | {"digest": digest, "size": len(data)} | changes)


async def send(driver: DeliveryDriver, contact_id: UUID, *attachments: Attachment) -> UUID:
    recipient = EmailRecipient(email_id=uuid7(), contact_id=contact_id, address=address(contact_id), subscribed=True)
    extras = MailOptions(attachments=list(attachments))
    order = SendEmails(recipients=[recipient], content=content("TRANSACTIONAL"), extras=extras)
    return (await tell(driver.client, driver.project, order, QueuedEmails)).emails[0]


async def forget(driver: DeliveryDriver) -> int:
    """Drop unused files, and return how many pieces are left."""
    await driver.runtime.pool.execute(FORGOTTEN_LONG_AGO, driver.project)
    async with driver.runtime.unit() as unit:
        await attachments.drop_unused(unit.conn)
    left: int = await driver.runtime.pool.fetchval(KEPT, driver.project)
    return left


async def test_files_reach_the_recipient_and_only_their_names_the_log(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    await driver.verify_domain()
    (contact_id,) = await driver.contacts(1)
    large = bytes(range(256)) * 5000
    pdf = await store(driver, large)
    logo = await store(
        driver, b"\x89PNG", filename="logo.png", content_type="image/png", content_id="logo", inline=True
    )
    email_id = await send(driver, contact_id, pdf, logo)
    await driver.reach_states({"sent": 1})
    (mail,) = sandbox.accepted(emailId=str(email_id))
    assert "multipart/mixed" in mail["raw"] and "multipart/related" in mail["raw"]
    assert "Content-ID: <logo>" in mail["raw"] and "filename*=utf-8''Rechnung%20%C3%9C.pdf" in mail["raw"]
    (queued,) = [data for kind, data in await facts(driver.runtime, driver.project) if kind == "email.queued"]
    assert [each["size"] for each in queued["extras"]["attachments"]] == [len(large), 4]
    assert len(str(queued)) < 2000


async def test_files_are_kept_as_long_as_a_mail_needs_them(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    await driver.verify_domain()
    (contact_id,) = await driver.contacts(1)
    pdf = await store(driver, b"x" * (PIECE_BYTES + 1))
    sandbox.plant(driver.project, "error_500", count=1)
    await send(driver, contact_id, pdf)
    await driver.reach_states({"unknown": 1})
    assert await forget(driver) == 2
    await driver.settle_all()
    assert await forget(driver) == 0


async def test_a_mail_with_incomplete_files_is_rejected(driver: DeliveryDriver) -> None:
    await driver.verify_domain()
    pdf = await store(driver, b"x" * 10)
    for wrong in (
        Attachment(filename="a", content_type="text/plain", digest="0" * 64, size=1),
        Attachment(filename="a", content_type="text/plain", digest=pdf.digest, size=11),
    ):
        with pytest.raises(Rejected) as rejected:
            await send(driver, uuid4(), wrong)
        assert rejected.value.code == "ATTACHMENT_NOT_FOUND"
    with pytest.raises(Rejected) as rejected:
        await send(driver, uuid4(), *[pdf] * 11)
    assert rejected.value.errors[0].field == "attachments"
    assert await driver.states() == {}


async def test_another_projects_files_are_not_found(driver: DeliveryDriver) -> None:
    await driver.verify_domain()
    stranger = DeliveryDriver(driver.runtime, uuid4())
    await stranger.verify_domain()
    pdf = await store(driver, b"secret")
    with pytest.raises(Rejected):
        await send(stranger, uuid4(), pdf)
