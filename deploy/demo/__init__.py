"""`make demo`: the main job on real input in a minute, and a table that proves what it claims."""
