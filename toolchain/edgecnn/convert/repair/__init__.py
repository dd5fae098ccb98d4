"""The repair of int8 files: another calibration, then a few layers in float."""
