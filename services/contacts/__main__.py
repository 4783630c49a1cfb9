"""`python -m services.contacts`"""

from libs.runtime.process.lifecycle import run
from services.contacts.app import build


def main() -> None:
    run(build)


if __name__ == "__main__":
    main()
