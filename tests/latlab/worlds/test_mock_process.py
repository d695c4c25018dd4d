"""The mock's own process: up where it says it is, and gone with whoever started it (see also test_executors)."""

from __future__ import annotations

import pytest

import latlab.worlds.mock_process
from latlab.worlds.mock_process import MockProcess, mock_process
from latlab.worlds.run import WorldError
from mockllm.profiles import load


@pytest.fixture(scope="module")
def sonnet() -> bytes:
    return load("claude-sonnet-5")[1]


def test_the_mock_ends_with_the_block_that_started_it_whatever_happens_there(sonnet: bytes) -> None:
    processes: list[MockProcess] = []

    def fail() -> None:
        with mock_process(sonnet, 1, 1.0) as process:
            assert not process.has_ended
            processes.append(process)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert processes[0].has_ended


def test_a_mock_that_does_not_come_up_says_why() -> None:
    with pytest.raises(WorldError, match=r"^the mock did not come up: mockllm: .*line 1") as error:
        mock_process(b"no = \n", 1, 1.0).__enter__()
    assert "\n" not in str(error.value)


def test_a_mock_that_does_not_end_when_it_is_told_to_is_killed(monkeypatch: pytest.MonkeyPatch, sonnet: bytes) -> None:
    monkeypatch.setattr(latlab.worlds.mock_process, "_PATIENCE_S", 0.0)
    with mock_process(sonnet, 1, 1.0) as process:
        pass
    assert process.has_ended


def test_every_run_has_a_name_and_a_place_of_its_own(sonnet: bytes) -> None:
    with mock_process(sonnet, 1, 1.0) as process:
        addresses = [process.address(process.run_name()) for _ in range(2)]
    assert [address.prefix for address in addresses] == ["/_run/run-0", "/_run/run-1"]
    assert addresses[0].url == f"http://127.0.0.1:{process.port}/_run/run-0"
