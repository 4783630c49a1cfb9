"""What the HTTP side measures. Labels are the patterns of the routes, never ids."""

from prometheus_client import Histogram

REQUESTS = Histogram(
    "godwit_http_request_seconds",
    "Time to answer a request; its count is the number of requests",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
