"""What scheduling knows: campaigns' holds, rates and tests, projects' limits and pauses."""
