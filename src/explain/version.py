"""The version of this package: stated here, so that a checkout on the path knows it without an installation."""

VERSION = "0.1.0"
