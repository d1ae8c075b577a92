"""A package of its own, so that another `tests` on the path (sippy installs one) is never met."""
