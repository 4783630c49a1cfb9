"""The bus: consuming, publishing and queries. Imports `eventstore` and the runtime's top-level modules."""
