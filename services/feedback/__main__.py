"""Runs the feedback service: `python -m services.feedback`."""

from libs.runtime.process.lifecycle import run
from services.feedback.app import build


def main() -> None:
    run(build)


if __name__ == "__main__":
    main()
