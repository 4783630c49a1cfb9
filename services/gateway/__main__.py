"""Run the gateway: `python -m services.gateway`."""

from libs.runtime.process.lifecycle import run
from services.gateway.app import build


def main() -> None:
    run(build)


if __name__ == "__main__":
    main()
