"""The line under a marketing mail that says how to stop it, in the reader's language. Pure."""

import re
from html import escape

BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
TAIL = 200
"""Where the body usually ends: so many characters before the end of the HTML."""

FOOTER = (
    '<div style="margin:32px auto 16px;text-align:center;font:12px/1.5 sans-serif;color:#71717a">'
    '{why} <a href="{url}" style="color:#71717a">{what}</a></div>'
)
WORDS = {
    "en": ("You receive this mail because you subscribed.", "Unsubscribe"),
    "de": ("Sie erhalten diese Mail, weil Sie sie abonniert haben.", "Abbestellen"),
    "es": ("Recibes este correo porque te suscribiste.", "Cancelar la suscripción"),
    "fr": ("Vous recevez ce message car vous y êtes abonné.", "Se désabonner"),
    "it": ("Ricevi questa email perché ti sei iscritto.", "Annulla l'iscrizione"),
    "nl": ("Je ontvangt deze mail omdat je je hebt aangemeld.", "Afmelden"),
    "pt": ("Recebe este e-mail porque se inscreveu.", "Cancelar a subscrição"),
}


def with_footer(body: str, url: str, locale: str) -> str:
    """The HTML with the footer before the end of its body, or at its end."""
    why, what = _words(locale)
    footer = FOOTER.format(why=escape(why), what=escape(what), url=escape(url))
    ends = list(BODY_END.finditer(body, max(0, len(body) - TAIL))) or list(BODY_END.finditer(body))
    at = ends[-1].start() if ends else len(body)
    return body[:at] + footer + body[at:]


def with_text_footer(text: str, url: str, locale: str) -> str:
    """The plain text with the footer below the line that mail programs take for the end of what was written."""
    why, what = _words(locale)
    return f"{text}\n\n-- \n{why}\n{what}: {url}"


def _words(locale: str) -> tuple[str, str]:
    return WORDS.get(locale[:2].lower(), WORDS["en"])
