"""Stateful models: the requests of a sequence, their ids and their order, and what a lost sequence costs."""
