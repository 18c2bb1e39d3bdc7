"""The two-phase hand-over: numbers, repetition, and what overtaken, doubled and lost messages do."""

from __future__ import annotations

from gateway.cell.handover import MAX_PAST, REPEAT, Received, Receiver, Sender, Transfer
from gateway.net.messages import Accept, Offer
from gateway.twin.workpiece import Workpiece

W1, W2 = Workpiece("w-1"), Workpiece("w-2")


def test_from_offer_to_acceptance() -> None:
    sender, receiver = Sender("e", Transfer(0, None)), Receiver(Received("", 0))
    assert sender.begin(1_000, W1) == Transfer(1, W1)
    offer = sender.due(1_000)
    assert offer == Offer("e", 1, W1)
    assert receiver.offered(2_000, offer) is None
    assert receiver.open_offer(2_000) == offer
    received, accept, workpiece = receiver.take()
    assert (received, accept, workpiece) == (Received("e", 1), Accept("e", 1), W1)
    assert receiver.open_offer(2_000) is None
    assert sender.accepted(3_500, accept) == (W1, 2_500)
    assert sender.pending is None


def test_an_offer_is_repeated_until_it_is_accepted_and_timed_from_the_first() -> None:
    sender = Sender("e", Transfer(0, None))
    sender.begin(0, W1)
    sent = [at for at in range(0, 4 * REPEAT, REPEAT // 5) if sender.due(at) is not None]
    assert sent == [0, REPEAT, 2 * REPEAT, 3 * REPEAT]
    assert sender.accepted(4 * REPEAT, Accept("e", 1)) == (W1, 4 * REPEAT)
    assert sender.due(5 * REPEAT) is None


def test_an_offer_taken_before_is_accepted_again_and_no_more() -> None:
    receiver = Receiver(Received("", 0))
    receiver.offered(0, Offer("e", 1, W1))
    receiver.take()
    assert receiver.offered(1, Offer("e", 1, W1)) == Accept("e", 1)
    assert receiver.open_offer(1) is None


def test_so_it_is_after_a_restart_from_the_journal() -> None:
    receiver = Receiver(Received("e", 7))
    assert receiver.offered(0, Offer("e", 7, W1)) == Accept("e", 7)
    assert receiver.offered(0, Offer("e", 6, W2)) is None
    assert receiver.open_offer(0) is None


def test_an_offer_that_was_overtaken_does_not_come_back() -> None:
    receiver = Receiver(Received("e", 1))
    receiver.offered(0, Offer("e", 3, W2))
    receiver.offered(1, Offer("e", 2, W1))
    assert receiver.take()[2] == W2


def test_an_offer_that_is_no_longer_repeated_was_withdrawn() -> None:
    receiver = Receiver(Received("", 0))
    receiver.offered(0, Offer("e", 1, W1))
    assert receiver.open_offer(2 * REPEAT) is not None
    assert receiver.open_offer(2 * REPEAT + 1) is None
    assert receiver.open_offer(0) is None


def test_answers_to_something_else_mean_nothing() -> None:
    sender = Sender("e", Transfer(4, None))
    assert sender.accepted(0, Accept("e", 4)) is None
    sender.begin(0, W1)
    for accept in (Accept("e", 4), Accept("e", 6), Accept("other", 5)):
        assert sender.accepted(0, accept) is None
    assert sender.pending == W1


def test_withdrawn_it_is_nobody_elses_and_its_number_is_used_up() -> None:
    sender = Sender("e", Transfer(0, None))
    sender.begin(0, W1)
    sender.withdraw()
    assert sender.due(REPEAT) is None
    assert sender.accepted(1, Accept("e", 1)) is None
    assert sender.begin(2, W2).number == 2


def test_after_a_restart_the_offer_goes_on_and_its_age_is_not_made_up() -> None:
    sender = Sender("e", Transfer(5, W1))
    assert sender.accepted(10**15, Accept("e", 5)) == (W1, None)
    sender = Sender("e", Transfer(5, W1))
    assert sender.due(10**15) == Offer("e", 5, W1)
    assert sender.accepted(10**15 + 7, Accept("e", 5)) == (W1, 7)


def test_a_sender_whose_journal_is_new_is_heard_anew() -> None:
    receiver = Receiver(Received("old", 9))
    offer = Offer("new", 1, W2)
    assert receiver.offered(0, offer) is None
    assert receiver.open_offer(0) == offer


def test_a_receiver_whose_journal_is_new_does_not_take_what_the_old_one_was_offered() -> None:
    sender = Sender("e", Transfer(6, None))
    sender.begin(0, W1, "old")
    offer = sender.due(0)
    assert offer is not None
    receiver = Receiver(Received("", 0), "new")
    assert receiver.offered(0, offer) is None
    assert receiver.open_offer(0) is None
    assert not sender.doubtful("old")
    assert sender.doubtful("new")
    assert sender.accepted(9, Accept("e", 7)) == (W1, 9)  # the old one had taken it, and said so late
    assert not sender.doubtful("new")


def test_an_offer_that_names_no_journal_is_anybodys() -> None:
    """So did gateways offer that did not know each other's."""
    sender, receiver = Sender("e", Transfer(5, W1)), Receiver(Received("", 0), "new")
    assert not sender.doubtful("new")
    offer = sender.due(0)
    assert offer is not None
    receiver.offered(0, offer)
    assert receiver.take()[2] == W1


def test_each_offer_of_each_journal_is_taken_once_in_whatever_order_they_come() -> None:
    receiver = Receiver(Received("first", 4))
    for epoch, number in (("third", 1), ("second", 1), ("third", 2)):  # the second came late
        assert receiver.offered(0, Offer(epoch, number, W1)) is None
        receiver.take()
    assert receiver.last == Received("third", 2, (("second", 1), ("first", 4)))
    for epoch, number in (("first", 4), ("second", 1), ("third", 2)):
        assert receiver.offered(1, Offer(epoch, number, W1)) == Accept(epoch, number)
        assert receiver.offered(1, Offer(epoch, number - 1, W1)) is None
    assert receiver.open_offer(1) is None


def test_how_many_journals_are_remembered_is_bounded() -> None:
    receiver = Receiver(Received("", 0))
    for n in range(3 * MAX_PAST):
        receiver.offered(0, Offer(f"e-{n}", 1, W1))
        receiver.take()
    assert len(receiver.last.past) == MAX_PAST
