"""Decides which queued mail goes when: fairness, the shared rate, project limits, send schedules, holds, A/B tests."""
