"""The API's documentation at /docs."""
