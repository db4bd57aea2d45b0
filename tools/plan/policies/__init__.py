"""What must hold of the plan; each policy takes one and tells what breaks it."""
