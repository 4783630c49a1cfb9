"""`python -m services.workflows`: runs the service until SIGTERM."""

from libs.runtime.process.lifecycle import run
from services.workflows.app import build


def main() -> None:
    run(build)


if __name__ == "__main__":
    main()
