"""What came of a campaign: statistics, progress, recipients, clicked links, its hours and its A/B test."""
