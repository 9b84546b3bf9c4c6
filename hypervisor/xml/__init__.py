"""Libvirt's domain XML, one file per element: frozen values with ``to_element()``."""
