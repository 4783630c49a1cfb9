"""SQS: the queue that can be subscribed to the topic."""
