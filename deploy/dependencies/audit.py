"""Looks up every locked dependency in the database of known vulnerabilities, with pip-audit.

Exits with 1 if one is vulnerable. Where the database or pip-audit itself cannot be reached, says so and exits with 0:
no machine without access to the internet is kept from building.
"""

import json
import subprocess
import sys

PIP_AUDIT = "pip-audit==2.10.1"
LOCK = "requirements.lock"
COMMAND = ("-r", LOCK, "--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off")
TIMEOUT = 180.0


def main() -> int:
    try:
        done = subprocess.run(  # noqa: S603 -- a fixed command
            [sys.executable, "-m", "uv", "tool", "run", "--from", PIP_AUDIT, "pip-audit", *COMMAND],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return report("", f"no answer within {TIMEOUT:.0f} s")
    return report(done.stdout, done.stderr)


def report(found: str, said: str) -> int:
    """Print what pip-audit found, and return the exit code. Without a result it could not reach what it needs."""
    try:
        dependencies = json.loads(found)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = (said.strip().splitlines() or ["no output"])[-1]
        print(f"dependencies not audited: the vulnerability database could not be reached ({reason})")
        return 0
    vulnerable = [each for each in dependencies if each.get("vulns")]
    for each in vulnerable:
        for known in each["vulns"]:
            fixed = ", ".join(known.get("fix_versions", [])) or "no version yet"
            print(f"{each['name']} {each['version']}: {known['id']}, fixed in {fixed}")
    print(f"{len(dependencies)} dependencies audited, {len(vulnerable)} vulnerable")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
