"""Tags for templates: ``{% load consent %}``."""
