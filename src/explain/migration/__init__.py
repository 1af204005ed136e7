"""Whether a migrated model still gives the same outputs for the same reasons, and how to port its weights."""

from explain.migration.diagnosis.known_causes import CAUSES
from explain.migration.report import Divergence, MigrationReport, Row, Tolerances, load_report

__all__ = ["CAUSES", "Divergence", "MigrationReport", "Row", "Tolerances", "load_report"]
