"""Screens of the console; each has its stylesheet beside it."""
