"""What a server says of its model: its tensors, its batch axis, and how its requests are scheduled."""
