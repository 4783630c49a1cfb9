"""Renders mails from templates and data, as HTML, plain text and MIME."""
