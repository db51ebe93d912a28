"""What a server says about a model: its tensors, its batch axis, and how it schedules requests."""
