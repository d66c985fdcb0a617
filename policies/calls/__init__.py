"""What follows a failed or late attempt."""
