"""The API under random requests, made by schemathesis from the application's own /openapi.json.

`python -m tests.fuzz` sends CASES (5,000) of them and exits 1 when one is answered 5xx. A few are a
test as well: tests/integration/test_openapi_fuzz.py.
"""
