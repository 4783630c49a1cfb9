"""The documents under docs/ that are generated from the code: OpenAPI, AsyncAPI and the settings page."""
