"""Models that take and give NumPy arrays: functions, scikit-learn estimators, ONNX Runtime sessions."""
