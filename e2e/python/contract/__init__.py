"""Requests made from the OpenAPI document. See ../contract_run.py."""
