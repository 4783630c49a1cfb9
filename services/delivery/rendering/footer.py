"""The footer of a marketing mail with its unsubscribe link, in the recipient's language. Pure."""

import re
from html import escape

from libs.kernel.locales import negotiate_locale

BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
TAIL = 200
"""Most bodies end within this many characters of the end of the HTML."""

FOOTER = (
    '<div style="margin:32px auto 16px;text-align:center;font:12px/1.5 sans-serif;color:#71717a">'
    '{why} <a href="{url}" style="color:#71717a">{what}</a></div>'
)
WORDS = {
    "en": ("You receive this mail because you subscribed.", "Unsubscribe"),
    "nl": ("Je ontvangt deze e-mail omdat je je hebt aangemeld.", "Afmelden"),
    "fr": ("Vous recevez cet e-mail parce que vous vous êtes abonné(e).", "Se désabonner"),
    "de": ("Sie erhalten diese E-Mail, weil Sie sie abonniert haben.", "Abbestellen"),
    "es": ("Recibes este correo porque te suscribiste.", "Cancelar suscripción"),
    "it": ("Ricevi questa email perché ti sei iscritto.", "Annulla l’iscrizione"),
    "pt": ("Recebe este e-mail porque se inscreveu.", "Cancelar subscrição"),
    "pl": ("Otrzymujesz tę wiadomość, ponieważ zapisano ten adres do subskrypcji.", "Wypisz się"),
    "cs": ("Tento e-mail dostáváte, protože jste si přihlásili odběr.", "Odhlásit odběr"),
    "bg": ("Получавате този имейл, защото сте се абонирали.", "Отписване"),
    "hi": ("आपको यह ईमेल इसलिए मिला है क्योंकि आपने सदस्यता ली है।", "सदस्यता समाप्त करें"),
    "zh-CN": ("您收到此邮件是因为您已订阅。", "退订"),
    "zh-TW": ("您收到此郵件是因為您已訂閱。", "取消訂閱"),
    "zh-HK": ("你收到此電郵是因為你已訂閱。", "取消訂閱"),
    "ja": ("配信登録されているため、このメールをお送りしています。", "配信を停止する"),
    "sv": ("Du får det här mejlet för att du prenumererar.", "Avsluta prenumerationen"),
    "cy": ("Rydych yn derbyn yr e-bost hwn oherwydd eich bod wedi tanysgrifio.", "Dad-danysgrifio"),
}


def with_footer(body: str, url: str, locale: str) -> str:
    """Return the HTML with the footer at the end of its body, or of the text if there is no body element."""
    why, what = _words(locale)
    footer = FOOTER.format(why=escape(why), what=escape(what), url=escape(url))
    ends = list(BODY_END.finditer(body, max(0, len(body) - TAIL))) or list(BODY_END.finditer(body))
    at = ends[-1].start() if ends else len(body)
    return body[:at] + footer + body[at:]


def with_text_footer(text: str, url: str, locale: str) -> str:
    """Return the plain text with the footer below the signature separator."""
    why, what = _words(locale)
    return f"{text}\n\n-- \n{why}\n{what}: {url}"


def _words(locale: str) -> tuple[str, str]:
    return WORDS[negotiate_locale([locale])]
