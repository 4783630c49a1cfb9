"""The tables that the contacts service answers from and decides by."""
