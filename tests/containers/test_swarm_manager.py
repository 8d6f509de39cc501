"""Docker's error about a node that is not a manager is reported together with what to do."""

import pytest

from stackcli.common.errors import EngineError, ServeError
from stackcli.swarm.manager import Manager


def test_who_is_no_manager_is_told_what_to_do() -> None:
    with pytest.raises(EngineError, match=r"unix:///nowhere\.sock to be a manager of a Swarm.*SWARM_MANAGER=ssh"):
        Manager("unix:///nowhere.sock").check()


def test_what_a_manager_refuses_is_told_in_its_words() -> None:
    with pytest.raises(ServeError, match=r"`docker node ls.*` to succeed on unix:///nowhere\.sock, found .*nowhere"):
        Manager("unix:///nowhere.sock").rows("node", "ls")
