"""Which operations of the SDK were answered, and which were refused, in one run.

What counts is the SDK's own list of operations: one that is new in the SDK, or that a test forgot,
fails the run.
"""

import inspect

from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException, SdkException
from huaweicloudsdksms.v3 import SmsClient


def all_operations():
    """Names of the methods of the client that make a call."""
    invoker = "_invoker"
    methods = dict(inspect.getmembers(SmsClient, inspect.isfunction))
    return sorted(name for name in methods if f"{name}{invoker}" in methods)


class Record:
    """Operations that were answered, and that were refused."""

    def __init__(self):
        self._operations = set(all_operations())
        self._answered = set()
        self._refused = set()

    def watch(self, client):
        """A client whose calls are recorded."""
        return _Recorded(self, client)

    def call(self, name, method, request):
        try:
            answer = method(request)
        except SdkException:
            self._refused.add(name)
            raise
        self._answered.add(name)
        return answer

    def is_operation(self, name):
        return name in self._operations

    def missing(self):
        """What was never answered or never refused, in words."""
        never_answered = sorted(self._operations - self._answered)
        never_refused = sorted(self._operations - self._refused)
        return [f"{name} was never answered" for name in never_answered] + [
            f"{name} was never refused" for name in never_refused
        ]

    def summary(self):
        return f"{len(self._answered)} operations answered, {len(self._refused)} refused"


class _Recorded:
    def __init__(self, record, client):
        self._record = record
        self._client = client

    def __getattr__(self, name):
        method = getattr(self._client, name)
        if not self._record.is_operation(name):
            return method
        return lambda request: self._record.call(name, method, request)


def refused(call, status=None, code=None):
    """The call is answered by a 4xx in the form of SMS errors, with this status and this code."""
    try:
        call()
    except ClientRequestException as error:
        assert 400 <= error.status_code < 500, error
        assert "." in error.error_code and error.error_msg and error.request_id, error
        assert status in (None, error.status_code), (status, error)
        assert code in (None, error.error_code), (code, error)
        return
    raise AssertionError("the call was accepted")
