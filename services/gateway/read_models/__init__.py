"""The tables that the gateway knows projects and keys by."""
