"""The declaration and the process of a service. Imports `messaging` and what is below it."""
