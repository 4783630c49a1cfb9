"""Sending domains in SES, which calls them email identities. Blocking calls, for threads."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from services.delivery.ses.identity import Identity

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client
    from types_boto3_sesv2.type_defs import GetEmailIdentityResponseTypeDef

NOT_FOUND = "NotFoundException"
EXISTS = "AlreadyExistsException"


class Identities:
    """Makes and reads SES identities. Every method raises BotoCoreError or ClientError.

    `mail_from` is the label of the subdomain that becomes the MAIL FROM domain.
    """

    def __init__(self, api: "SESV2Client", mail_from: str) -> None:
        self._api = api
        self._mail_from = mail_from

    def ensure(self, domain: str) -> Identity:
        """Create the identity if SES lacks it, restart a verification that failed, and return the current state."""
        found = self._get(domain) or self._create(domain)
        if not _mail_from(found):
            found = self._set_mail_from(domain)
        if found.get("DkimAttributes", {}).get("Status") == "FAILED":
            found = self._restart_verification(domain)
        return _identity(found)

    def exists(self, domain: str) -> bool:
        """Return whether SES has an identity for the domain, whoever made it."""
        return self._get(domain) is not None

    def forget(self, domain: str) -> None:
        """Delete the identity, if there is one."""
        try:
            self._api.delete_email_identity(EmailIdentity=domain)
        except ClientError as error:
            if _code(error) != NOT_FOUND:
                raise

    def _get(self, domain: str) -> "GetEmailIdentityResponseTypeDef | None":
        try:
            return self._api.get_email_identity(EmailIdentity=domain)
        except ClientError as error:
            if _code(error) == NOT_FOUND:
                return None
            raise

    def _create(self, domain: str) -> "GetEmailIdentityResponseTypeDef":
        try:
            self._api.create_email_identity(EmailIdentity=domain)
        except ClientError as error:
            if _code(error) != EXISTS:
                raise
        return self._api.get_email_identity(EmailIdentity=domain)

    def _set_mail_from(self, domain: str) -> "GetEmailIdentityResponseTypeDef":
        self._api.put_email_identity_mail_from_attributes(
            EmailIdentity=domain,
            MailFromDomain=f"{self._mail_from}.{domain}",
            BehaviorOnMxFailure="USE_DEFAULT_VALUE",
        )
        return self._api.get_email_identity(EmailIdentity=domain)

    def _restart_verification(self, domain: str) -> "GetEmailIdentityResponseTypeDef":
        self._api.put_email_identity_dkim_signing_attributes(
            EmailIdentity=domain,
            SigningAttributesOrigin="AWS_SES",
            SigningAttributes={"NextSigningKeyLength": "RSA_2048_BIT"},
        )
        return self._api.get_email_identity(EmailIdentity=domain)


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
