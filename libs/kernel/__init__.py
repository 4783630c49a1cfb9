"""Pure rules that several services apply alike."""
