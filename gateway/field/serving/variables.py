"""The memory of a device that the gateway itself is, over OPC UA: variables that a controller polls; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from gateway.errors import DeviceRefused
from gateway.field.addresses import OpcUaAddress
from gateway.field.tags import Tag
from gateway.field.types import OPCUA_TYPES, Value

NAMESPACE = 2
"""Where variables lie; in a station file a served device may number more."""


class Node(NamedTuple):
    """One variable; ``opcua_type`` as in OPCUA_TYPES. The controller writes outputs and reads inputs."""

    node: str
    name: str
    opcua_type: str
    writable: bool
    tag: Tag


class Variables:
    """The tags of a served device: ``put`` inputs, take ``changes`` of outputs; the rest is the controller's.

    ``unpolled`` are the tags that the controller has not asked for (inputs) or written (outputs) since
    ``expect``; ``heard`` is called at each of its requests.
    """

    def __init__(self, tags: Iterable[Tag], heard: Callable[[], None]) -> None:
        self._tags = list(tags)
        self._heard = heard
        self.nodes: dict[str, Node] = {}
        self._held: dict[str, Value] = {}
        self._told: dict[str, Value] = {}
        self._version = 0
        for tag in self._tags:
            assert isinstance(tag.address, OpcUaAddress), f"{tag.name} is no OPC UA tag"
            writable = tag.direction == "output"
            kind = OPCUA_TYPES[tag.type.name]
            self.nodes[tag.address.node] = Node(tag.address.node, tag.name, kind, writable, tag)
            self._held[tag.address.node] = tag.to_device(tag.safe)
        self.unpolled: dict[str, Tag] = {}
        self.expect()

    def expect(self) -> None:
        """Count anew which tags the controller polls."""
        self.unpolled = {tag.name: tag for tag in self._tags}

    def put(self, values: Mapping[str, Value]) -> None:
        """Set inputs to engineering ``values``."""
        for each in self.nodes.values():
            if each.tag.name in values:
                self._held[each.node] = each.tag.to_device(values[each.tag.name])
        self._version += 1

    def changes(self) -> dict[str, Value]:
        """Engineering values of the outputs that changed since the last call (at first all)."""
        found: dict[str, Value] = {}
        for each in self.nodes.values():
            held = self._held[each.node]
            if each.writable and (each.node not in self._told or self._told[each.node] != held):
                self._told[each.node] = held
                found[each.tag.name] = each.tag.from_device(held)
        return found

    # --- what the controller does (serving.opcua.View) -------------------------------------------------

    def asked(self, nodes: Iterable[str]) -> None:
        """The controller reads ``nodes``, as far as they are ours."""
        for node in nodes:
            found = self.nodes.get(node)
            if found is not None:
                self._heard()
                if not found.writable:
                    self.unpolled.pop(found.tag.name, None)

    def state(self) -> object:
        """Equal to the last one while no value has changed."""
        return self._version

    def read(self, node: str) -> Value:
        """The node's value."""
        return self._held[self._find(node).node]

    def write(self, node: str, opcua_type: str, value: Value) -> None:
        """Take an output's ``value``, sent as ``opcua_type``; DeviceRefused with the status code."""
        found = self._find(node)
        if not found.writable:
            raise DeviceRefused("BadNotWritable", node, "it is an input: the controller reads it")
        self.check_type(node, opcua_type)
        self._held[node] = value
        self._version += 1
        self._heard()
        self.unpolled.pop(found.tag.name, None)

    def check_type(self, node: str, opcua_type: str) -> None:
        """Raise BadTypeMismatch unless the node is of ``opcua_type``."""
        found = self._find(node)
        if opcua_type != found.opcua_type:
            raise DeviceRefused("BadTypeMismatch", node, f"it is a {found.tag.type.name}, {found.opcua_type}")

    def _find(self, node: str) -> Node:
        found = self.nodes.get(node)
        if found is None:
            raise DeviceRefused("BadNodeIdUnknown", node, "name a tag's node of the station file")
        return found
