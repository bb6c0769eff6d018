"""Proto <-> domain of the values every service speaks. No rules live here, only shape."""
