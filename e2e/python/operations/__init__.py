"""Every operation of the SDK, by subject. See ../every_operation.py."""
