"""The routes, by what they are about. Each parses, asks one service (or a few), and shapes the answer."""
