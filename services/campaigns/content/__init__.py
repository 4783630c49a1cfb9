"""What templates and campaigns share: the rules for a mail's content, Markdown, and the project's sender domains."""
