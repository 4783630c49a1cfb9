"""The tables of projects and API keys."""
