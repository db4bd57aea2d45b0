"""The one text of a request's body, whatever its white space and the order of its keys."""

from common.wire import canonical_json


def canonical_body(value: object) -> str:
    """Canonical JSON of what `parse_json` made of a body: keys in order, no spaces, ASCII.

    A number with a fraction or an exponent, which is a Decimal here, becomes text (0.60 is "0.60");
    a whole one stays a number. None, no body at all, is `null`.
    """
    return canonical_json(_texts(value))


def _texts(value: object) -> object:
    if isinstance(value, dict):
        return {key: _texts(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_texts(member) for member in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)
