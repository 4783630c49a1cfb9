"""What comes in to be mailed: transactional mail by command, campaigns and workflows by other services' events."""
