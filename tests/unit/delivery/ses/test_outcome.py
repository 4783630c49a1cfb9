"""Which SES error means which outcome."""

import pytest

from services.delivery.ses.outcome import MailRejected, NotTaken, Outcome, Throttled, Unknown, of_error


@pytest.mark.parametrize(
    ("status", "code", "message", "outcome"),
    [
        (429, "TooManyRequestsException", "Maximum sending rate exceeded.", Throttled()),
        (400, "ThrottlingException", "Maximum sending rate exceeded.", Throttled()),
        (400, "ThrottlingException", "Daily message quota exceeded.", Throttled(daily=True)),
        (400, "LimitExceededException", "Daily message quota exceeded.", Throttled(daily=True)),
        (
            400,
            "MessageRejected",
            "Email address is not verified.",
            MailRejected("MessageRejected", "Email address is not verified."),
        ),
        (400, "BadRequestException", "Illegal address", MailRejected("BadRequestException", "Illegal address")),
        (400, "SendingPausedException", "", NotTaken("SendingPausedException")),
        (400, "AccountSuspendedException", "", NotTaken("AccountSuspendedException")),
        (400, "MailFromDomainNotVerifiedException", "", NotTaken("MailFromDomainNotVerifiedException")),
        (404, "NotFoundException", "No configuration set", NotTaken("NotFoundException")),
        (403, "SignatureDoesNotMatch", "", NotTaken("SignatureDoesNotMatch")),
        (418, "", "", NotTaken("HTTP 418")),
        (500, "InternalFailure", "", Unknown("InternalFailure 500")),
        (503, "", "", Unknown("HTTP 503")),
        (302, "", "", Unknown("HTTP 302")),
    ],
)
def test_only_an_explicit_rejection_means_that_the_mail_was_not_accepted(
    status: int, code: str, message: str, outcome: Outcome
) -> None:
    assert of_error(status, code, message) == outcome
