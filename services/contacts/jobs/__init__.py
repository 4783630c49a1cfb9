"""Jobs on many contacts: importing, exporting, bulk operations, deleting fields and events."""
