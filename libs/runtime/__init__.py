"""The runtime of every service. Imports only `libs.kernel` and `libs.schemas`; ADR 18 explains its folders."""
