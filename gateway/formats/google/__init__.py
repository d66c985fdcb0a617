"""Parts that Google's two wire formats share: where media lie, and a call's arguments as an object."""
