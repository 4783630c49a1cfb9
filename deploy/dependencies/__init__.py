"""What Godwit is built from: the binaries among its dependencies, and their known vulnerabilities."""
