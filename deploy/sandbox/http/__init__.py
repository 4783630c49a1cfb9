"""The sandbox's HTTP: the ASGI side with its router, AWS's request bodies and pages, and the client for webhooks."""
