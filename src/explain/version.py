"""The version of this package: stated here, so that a checkout on the path knows it without an installation."""

VERSION = "0.2.0.dev0"
