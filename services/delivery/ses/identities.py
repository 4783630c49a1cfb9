"""Sending domains as SES knows them: email identities. Blocking calls, for threads."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from services.delivery.domains.domain import Identity

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client
    from types_boto3_sesv2.type_defs import GetEmailIdentityResponseTypeDef

NOT_FOUND = "NotFoundException"
EXISTS = "AlreadyExistsException"


class Identities:
    """All raise BotoCoreError or ClientError."""

    def __init__(self, client: "SESV2Client", mail_from: str) -> None:
        self._client = client
        self._mail_from = mail_from

    def ensure(self, domain: str) -> Identity:
        """Make SES know the domain, start its verification again if SES gave it up, and say how it stands."""
        found = self._get(domain) or self._create(domain)
        if not _mail_from(found):
            found = self._set_mail_from(domain)
        if found.get("DkimAttributes", {}).get("Status") == "FAILED":
            found = self._start_again(domain)
        return _identity(found)

    def forget(self, domain: str) -> None:
        try:
            self._client.delete_email_identity(EmailIdentity=domain)
        except ClientError as error:
            if _code(error) != NOT_FOUND:
                raise

    def _get(self, domain: str) -> "GetEmailIdentityResponseTypeDef | None":
        try:
            return self._client.get_email_identity(EmailIdentity=domain)
        except ClientError as error:
            if _code(error) == NOT_FOUND:
                return None
            raise

    def _create(self, domain: str) -> "GetEmailIdentityResponseTypeDef":
        try:
            self._client.create_email_identity(EmailIdentity=domain)
        except ClientError as error:
            if _code(error) != EXISTS:
                raise
        return self._client.get_email_identity(EmailIdentity=domain)

    def _set_mail_from(self, domain: str) -> "GetEmailIdentityResponseTypeDef":
        self._client.put_email_identity_mail_from_attributes(
            EmailIdentity=domain,
            MailFromDomain=f"{self._mail_from}.{domain}",
            BehaviorOnMxFailure="USE_DEFAULT_VALUE",
        )
        return self._client.get_email_identity(EmailIdentity=domain)

    def _start_again(self, domain: str) -> "GetEmailIdentityResponseTypeDef":
        self._client.put_email_identity_dkim_signing_attributes(
            EmailIdentity=domain,
            SigningAttributesOrigin="AWS_SES",
            SigningAttributes={"NextSigningKeyLength": "RSA_2048_BIT"},
        )
        return self._client.get_email_identity(EmailIdentity=domain)


def _mail_from(found: "GetEmailIdentityResponseTypeDef") -> str | None:
    return found.get("MailFromAttributes", {}).get("MailFromDomain") or None


def _identity(found: "GetEmailIdentityResponseTypeDef") -> Identity:
    verified = found.get("VerifiedForSendingStatus", False)
    return Identity(
        tokens=tuple(found.get("DkimAttributes", {}).get("Tokens", ())),
        mail_from=_mail_from(found),
        verified=verified,
        status=found.get("VerificationStatus") or ("SUCCESS" if verified else "PENDING"),
    )


def _code(error: ClientError) -> str:
    return error.response["Error"].get("Code", "")
