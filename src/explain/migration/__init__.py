"""Checks whether a migrated model returns the same outputs for the same reasons, and ports weights between models."""

from explain.migration.diagnosis.known_causes import CAUSES
from explain.migration.report import Divergence, MigrationReport, Row, Tolerances, load_report

__all__ = ["CAUSES", "Divergence", "MigrationReport", "Row", "Tolerances", "load_report"]
