"""SNS: the topic's subscriptions, and the delivery of signed event notifications to each subscriber."""
