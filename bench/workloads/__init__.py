"""What runs inside the boxes: image recipes, each with the port and path that its probe asks for."""
