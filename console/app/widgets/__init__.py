"""Widgets of the console: each draws one thing and decides nothing."""
