"""Renders mails and hands them to SES. Blocking calls, for threads."""

import time
from collections.abc import Sequence

import msgspec
import structlog

from libs.runtime.clock import uuid7
from libs.runtime.process.settings import Settings
from services.delivery.ledger.mail import Mail
from services.delivery.ledger.timing import Timing
from services.delivery.rendering.message import probe, request_for
from services.delivery.rendering.mime import AttachedFile
from services.delivery.rendering.renderer import Renderer, RendererBusy, TooExpensive
from services.delivery.rendering.templates import Unrenderable
from services.delivery.ses.client import SesClient
from services.delivery.ses.outcome import GIVEN_BACK, MailRejected, Outcome

log = structlog.get_logger()


class ConfigurationSets(msgspec.Struct, frozen=True):
    """The SES configuration sets of mails with and without tracking of opens and clicks."""

    tracked: str
    untracked: str


class Mailer:
    """Sends single mails through SES."""

    def __init__(self, client: SesClient, renderer: Renderer, sets: ConfigurationSets, timing: Timing) -> None:
        self._client = client
        self._renderer = renderer
        self._sets = sets
        self._timing = timing

    def deliver(self, mail: Mail, files: Sequence[AttachedFile] = ()) -> Outcome:
        """Render the mail and send it. Never raises: an error is an outcome, too."""
        try:
            configuration_set = self._sets.tracked if mail.tracked else self._sets.untracked
            composed = request_for(mail, self._renderer.render(mail), configuration_set, files)
        except RendererBusy:
            return GIVEN_BACK
        except TooExpensive as bad:
            return MailRejected("TEMPLATE_TOO_EXPENSIVE", str(bad))
        except Unrenderable as bad:
            return MailRejected("RENDERING_FAILED", str(bad))
        except Exception as bug:
            log.exception("mailer.cannot_compose", email=str(mail.id))
            return MailRejected("RENDERING_FAILED", type(bug).__name__)
        if time.monotonic() - mail.begun > self._timing.give_back_after:
            return GIVEN_BACK
        return self._client.send(composed.request, composed.subject)

    def probe(self, sender: str) -> Outcome:
        """Send a mail to SES's mailbox simulator: it reaches nobody but causes notifications. Never raises."""
        try:
            return self._client.send(probe(uuid7(), sender, self._sets.tracked), "")
        except Unrenderable as bad:
            return MailRejected("RENDERING_FAILED", str(bad))


def mailer_of(client: SesClient, config: Settings, renderer: Renderer, timing: Timing) -> Mailer:
    """Return a mailer with the configuration sets of the settings."""
    sets = ConfigurationSets(config.configuration_set, config.configuration_set_untracked or config.configuration_set)
    return Mailer(client, renderer, sets, timing)
