"""A gateway for those who attack it. The fixtures are those of the gateway's own tests."""

from tests.service.gateway.conftest import api, other_project, stranger, world

__all__ = ["api", "other_project", "stranger", "world"]
