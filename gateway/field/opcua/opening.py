"""A server that refuses a secured channel by a fault in its answer: asyncua takes every answer for a yes."""

from __future__ import annotations

from typing import Any, cast

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary

_FAULT = ua.NodeId(ua.Int32(ObjectIds.ServiceFault_Encoding_DefaultBinary))


def hear_faults(client: Client) -> None:
    """Let ``client``, not yet connected, raise what the server says in place of opening the channel."""
    uaclient: Any = client.uaclient
    make = uaclient._make_protocol

    def made() -> Any:
        protocol = make()
        receive = protocol._process_received_message

        def heard(message: Any) -> None:
            opening = protocol._open_secure_channel_exchange is not None
            if opening and isinstance(message, ua.Message):
                body = cast(Any, message).body()
                if nodeid_from_binary(body) == _FAULT:
                    struct_from_binary(ua.ResponseHeader, body).ServiceResult.check()
            receive(message)

        protocol._process_received_message = heard
        return protocol

    uaclient._make_protocol = made
