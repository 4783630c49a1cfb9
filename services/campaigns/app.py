"""The campaigns service, put together from its parts."""

from pathlib import Path

from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from services.campaigns.ab_tests.handlers import HANDLERS as AB_TESTS
from services.campaigns.campaigns.handlers import HANDLERS as CAMPAIGNS
from services.campaigns.content.handlers import HANDLERS as CONTENT
from services.campaigns.results.handlers import HANDLERS as RESULTS
from services.campaigns.runs.handlers import HANDLERS as RUNS
from services.campaigns.templates.handlers import HANDLERS as TEMPLATES

# Every table of this service is a read model, so there is nothing in it yet.
MIGRATIONS = Path(__file__).parent / "migrations"


def build(config: Settings) -> Service:
    """Return the campaigns service. It has no settings of its own."""
    return Service.of("campaigns", MIGRATIONS, TEMPLATES, CAMPAIGNS, RUNS, AB_TESTS, RESULTS, CONTENT)
