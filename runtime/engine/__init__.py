"""The engine: containers of images, with volumes, networks and a supervisor, for Python and for `tare`."""
