"""How things are printed: tables, Go templates, sizes and ages."""
