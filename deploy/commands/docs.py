"""Generate the documents that are derived from the code: OpenAPI, AsyncAPI, settings."""

import argparse
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a document is out of date")
    parser.add_argument("--into", type=Path, default=DOCS, metavar="DIR", help="directory of the documents (docs)")


def run(args: argparse.Namespace) -> int:
    from deploy.commands import Failed
    from deploy.documents.generate import generate

    documents = generate()
    stale = [name for name, text in documents.items() if _read(args.into / name) != text]
    if args.check and stale:
        raise Failed(f"out of date: {', '.join(stale)}; run `make docs`")
    for name in stale:
        (args.into / name).write_text(documents[name], encoding="utf-8")
        print(f"wrote {args.into / name}")
    return 0


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None
