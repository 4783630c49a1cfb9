"""`python -m services.feedback`: runs the service until SIGTERM."""

from libs.runtime.process.lifecycle import run
from services.feedback.app import build


def main() -> None:
    run(build)


if __name__ == "__main__":
    main()
