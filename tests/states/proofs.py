"""Helpers of the proofs: that a state refuses under its code, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from tests.conftest import Small

from civiltime.errors import CivilTimeError, Invalid
from civiltime.states.chain import as_error, state_by_id

Test = TypeVar("Test", bound=Callable[..., None])


def proves(*codes: str) -> Callable[[Test], Test]:
    """Say which codes a test makes appear; the completeness test counts them."""

    def mark(test: Test) -> Test:
        test.proves = codes  # type: ignore[attr-defined]
        return test

    return mark


def require_refusal(small: Small, code: str) -> None:
    """The whole chain refuses: exit status 1, the code, a failed report, nothing published."""
    state = code[3:5]
    said = small.run()
    assert said.code == 1, said.out
    assert said.error == code, said.out
    assert said.json["error"]["remediation"]
    assert "Traceback" not in said.err
    require_failed(small, code)
    later = [f"S{n}" for n in range(int(state[1]) + 1, 6)]
    assert not [s for s in later if list(small.folder.glob(f"reports/layer1/2A/state={s}"))]


def require_failed(small: Small, code: str) -> None:
    """The state's run report says what failed, and none of its outputs is there."""
    state = code[3:5]
    report = small.report(state)
    assert report["status"] == "fail"
    assert report["errors"][0]["code"] == code
    assert report["outputs"] == {}
    assert {"fail"} == {v["result"] for v in report["validators"] if v.get("code") == code}
    assert not [d for d in state_by_id(state).outputs if small.partition(d).exists()]


def require_state_refusal(small: Small, state: str, code: str) -> None:
    """One state refuses, after others have run."""
    with pytest.raises(CivilTimeError) as caught:
        small.chain(state)
    assert caught.value.code == code
    assert small.report(state)["errors"][0]["code"] == code


def require_validator(code: str, **facts: Any) -> Invalid:
    """The validator that owns a code refuses these facts under it."""
    state = state_by_id(code[3:5])
    return require_check(code, SimpleNamespace(**facts), *state.validators)


def require_check(code: str, work: Any, *validators: Any) -> Invalid:
    """One of the validators refuses this work under the code, and none refuses a sound one."""
    state, findings = code[3:5], []
    for validator in validators:
        if code.endswith(validator.code) or validator.check.__name__ in ALSO.get(code, ()):
            with pytest.raises(Invalid) as caught:
                validator.check(work)
            findings.append((as_error(state, validator.code, caught.value).code, caught.value))
    assert [found for found, _ in findings] == [code]
    return findings[0][1]


ALSO = {
    "2A-S0-014": ("digests_valid",),
    "2A-S0-017": ("no_alias",),
    "2A-S3-062": ("files_there",),
    "2A-S5-043": ("index_sorted",),
}
"""Validators that own a second code."""
