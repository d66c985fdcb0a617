"""What does the evidence say, and what follows? Pure: time comes in as `now`, randomness as a number."""
