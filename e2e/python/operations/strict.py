"""What the SDK would swallow is an error here.

The SDK is lenient: it turns numbers into text, wraps an object where a list is declared, and ignores
what it does not know. Code that is written against its documented types is not. So each answer is
compared with the declared types before the SDK touches it.
"""

import json
import re

import huaweicloudsdksms.v3 as models
from huaweicloudsdkcore.sdk_stream_response import SdkStreamResponse

NATIVE = {"str": str, "int": int, "long": int, "bool": bool, "float": (int, float)}

# The SDK declares text that holds JSON; other clients of the same answer read objects, which the SDK
# shows as text.
OBJECTS_INSTEAD_OF_TEXT = {"ShowConsistencyResultResponse.result_list[]"}


def make_strict(client):
    """Lets a client check each answer before it reads it."""
    deserialize = client.deserialize

    def checked(response, response_type, progress_callback):
        declared = getattr(models, response_type)
        if not issubclass(declared, SdkStreamResponse):
            check_answer(response.text, response_type)
        return deserialize(response, response_type, progress_callback)

    client.deserialize = checked
    return client


def check_answer(text, response_type):
    """An answer must be the object that its type declares; calls without a result give nothing."""
    declared = getattr(models, response_type).openapi_types
    if set(declared) == {"body"}:
        assert text.strip() in ("", "{}", '""', "null"), f"{response_type} holds nothing: {text}"
        return
    answer = json.loads(text)
    assert isinstance(answer, dict), f"{response_type}: {text}"
    check(answer, response_type, response_type)


def check(value, declared, where):
    """A value has the declared type, or is null."""
    if value is None or declared == "object":
        return
    if where in OBJECTS_INSTEAD_OF_TEXT:
        assert isinstance(value, (str, dict)), f"{where} is {value!r}"
        return
    items = re.fullmatch(r"list\[(.*)\]", declared)
    members = re.fullmatch(r"dict\(([^,]*), (.*)\)", declared)
    if items:
        assert isinstance(value, list), f"{where} is no list: {value!r}"
        for item in value:
            check(item, items[1], f"{where}[]")
    elif members:
        assert isinstance(value, dict), f"{where} is no object: {value!r}"
        for name, member in value.items():
            check(member, members[2], f"{where}.{name}")
    elif declared in NATIVE:
        # A truth value is an integer to Python, but to nobody else.
        fits = isinstance(value, NATIVE[declared]) and (
            isinstance(value, bool) == (declared == "bool")
        )
        assert fits, f"{where} is declared {declared}, and is {value!r}"
    else:
        assert isinstance(value, dict), f"{where} is no object: {value!r}"
        model = getattr(models, declared)
        for attribute, attribute_type in model.openapi_types.items():
            name = model.attribute_map[attribute]
            check(value.get(name), attribute_type, f"{declared}.{name}")
