"""Mails as requests to SES."""

from html import escape
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from libs.kernel import links
from libs.kernel.locales import LOCALES
from libs.schemas.delivery.content import Content
from services.delivery.ledger.mail import Mail
from services.delivery.rendering.footer import WORDS
from services.delivery.rendering.message import ascii_address, compose, subject_of
from services.delivery.rendering.templates import Unrenderable
from services.delivery.rendering.variables import Links

KEY = links.KeyRing(("a-key-of-at-least-thirty-two-characters",))
LINKS = Links("https://mail.example.com/", KEY)
CONTENT = Content(
    subject="Hi {{ name ?? friend }}",
    body="<html><body><p>Dear {{ name }}, your plan is {{ data.plan }}.</p></body></html>",
    from_email="news@example.com",
    from_name="Äpfel & Birnen",
    reply_to="help@example.com",
    kind="MARKETING",
)
MAIL = Mail(
    id=UUID(int=1),
    project=UUID(int=2),
    contact_id=UUID(int=3),
    campaign_id=UUID(int=4),
    source="CAMPAIGN",
    recipient="ann@example.net",
    content=CONTENT,
    data="{}",
    contact_data='{"name": "Ann", "plan": "pro"}',
    subscribed=True,
    listed=None,
    meta="{}",
)


def request_of(mail: Mail) -> dict[str, Any]:
    return dict(compose(mail, LINKS, "godwit").request)


def html_of(mail: Mail) -> str:
    html: str = request_of(mail)["Content"]["Simple"]["Body"]["Html"]["Data"]
    return html


def headers_of(mail: Mail) -> dict[str, str]:
    return {header["Name"]: header["Value"] for header in request_of(mail)["Content"]["Simple"]["Headers"]}


def transactional(**changes: Any) -> Mail:
    content = replace(CONTENT, kind="TRANSACTIONAL", **changes)
    return replace(MAIL, content=content, source="TRANSACTIONAL", campaign_id=None)


def test_the_complete_request_for_a_campaigns_mail() -> None:
    token = links.sign(KEY, links.LinkTarget(MAIL.project, MAIL.contact_id, MAIL.id))
    unsubscribe = f"https://mail.example.com/unsubscribe/{token}"
    footer = html_of(MAIL).partition("pro.</p>")[2]
    assert request_of(MAIL) == {
        "FromEmailAddress": "=?utf-8?b?w4RwZmVsICYgQmlybmVu?= <news@example.com>",
        "Destination": {"ToAddresses": ["ann@example.net"]},
        "ReplyToAddresses": ["help@example.com"],
        "Content": {
            "Simple": {
                "Subject": {"Data": "Hi Ann", "Charset": "UTF-8"},
                "Body": {
                    "Text": {
                        "Data": "Dear Ann, your plan is pro.\n\n-- \n"
                        f"You receive this mail because you subscribed.\nUnsubscribe: {unsubscribe}",
                        "Charset": "UTF-8",
                    },
                    "Html": {
                        "Data": "<html><body><p>Dear Ann, your plan is pro.</p>" + footer,
                        "Charset": "UTF-8",
                    },
                },
                "Headers": [
                    {"Name": "X-Godwit-Email", "Value": str(MAIL.id)},
                    {"Name": "List-Unsubscribe", "Value": f"<{unsubscribe}>"},
                    {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
                    {"Name": "List-Id", "Value": f"<{MAIL.project.hex}.example.com>"},
                    {"Name": "Precedence", "Value": "bulk"},
                    {"Name": "Auto-Submitted", "Value": "auto-generated"},
                    {"Name": "X-Auto-Response-Suppress", "Value": "All"},
                ],
            }
        },
        "EmailTags": [
            {"Name": "ses:feedback-id-a", "Value": str(MAIL.campaign_id)},
            {"Name": "ses:feedback-id-b", "Value": str(MAIL.project)},
            {"Name": "godwit_email", "Value": str(MAIL.id)},
            {"Name": "godwit_project", "Value": str(MAIL.project)},
            {"Name": "godwit_contact", "Value": str(MAIL.contact_id)},
            {"Name": "godwit_source", "Value": "CAMPAIGN"},
            {"Name": "godwit_campaign", "Value": str(MAIL.campaign_id)},
        ],
        "ConfigurationSetName": "godwit",
    }
    assert footer.endswith("</a></div></body></html>") and unsubscribe in footer


def test_the_footer_is_in_the_recipients_language() -> None:
    assert "Abbestellen" in html_of(replace(MAIL, contact_data='{"locale": "de-AT"}'))
    assert "Unsubscribe" in html_of(replace(MAIL, contact_data='{"locale": "xx"}'))
    assert "退订" in html_of(replace(MAIL, language="zh"))
    assert "Afmelden" in html_of(replace(MAIL, language="zh", contact_data='{"locale": "nl"}'))


@pytest.mark.parametrize("locale", LOCALES)
def test_the_footer_exists_in_every_language(locale: str) -> None:
    assert escape(WORDS[locale][1]) in html_of(replace(MAIL, language=locale))


def test_a_body_with_an_unsubscribe_link_gets_no_footer() -> None:
    own = replace(MAIL, content=replace(CONTENT, body='<a href="{{ unsubscribeUrl }}">stop</a>'))
    assert html_of(own).count("/unsubscribe/") == 1
    assert "List-Unsubscribe" in headers_of(own)


def test_transactional_mail_has_neither_footer_nor_unsubscribe_headers() -> None:
    assert html_of(transactional()).endswith("pro.</p></body></html>")
    assert headers_of(transactional()) == {"X-Godwit-Email": str(MAIL.id)}


def test_transactional_mail_with_an_unsubscribe_link_offers_one_click_unsubscribe() -> None:
    headers = headers_of(transactional(body='<a href="{{ manageUrl }}">settings</a>'))
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_mails_data_overrides_the_contacts_but_not_our_own_names() -> None:
    mail = replace(
        MAIL,
        content=replace(CONTENT, body="{{ plan }} {{ data.plan }} {{ event.plan }} {{ email }} {{ id }}"),
        data='{"plan": "gold", "email": "x@example.com", "id": "x"}',
    )
    assert html_of(mail).startswith(f"gold gold gold ann@example.net {MAIL.contact_id}")


def test_headers_cannot_be_injected() -> None:
    content = replace(CONTENT, subject="{{ name }}", from_name="Eve\r\nBcc: all@example.com")
    mail = replace(MAIL, content=content, contact_data='{"name": "x\\r\\nBcc: all@example.com"}')
    request = request_of(mail)
    assert request["FromEmailAddress"] == "Eve Bcc: all@example.com <news@example.com>" or (
        request["FromEmailAddress"] == '"Eve Bcc: all@example.com" <news@example.com>'
    )
    assert request["Content"]["Simple"]["Subject"]["Data"] == "x Bcc: all@example.com"


@pytest.mark.parametrize(
    "address",
    ["", "a", "@example.com", "a@", "a b@example.com", "a@b\r\nBcc: c@d", "ä@example.com", "a,b@example.com", "<a@b>"],
)
def test_an_invalid_address_is_rejected(address: str) -> None:
    with pytest.raises(Unrenderable):
        ascii_address(address)


def test_an_international_domain_is_written_in_ascii() -> None:
    assert ascii_address("ann@bücher.example") == "ann@xn--bcher-kva.example"


def test_the_subject_of_a_mail_that_cannot_be_rendered_is_its_template() -> None:
    broken = replace(MAIL, content=replace(CONTENT, subject="{{ 1 | divided_by: 0 }}"))
    assert subject_of(broken, LINKS) == "{{ 1 | divided_by: 0 }}"
    assert subject_of(MAIL, LINKS) == "Hi Ann"
