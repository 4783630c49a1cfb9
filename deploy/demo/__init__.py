"""`make demo`: the main job on real input in about a minute, and a table that proves the result."""
