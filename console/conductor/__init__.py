"""What may happen next: pure rules, and the acts that follow them."""
