"""The kinds of components there are, by the name that files use; pure."""

from __future__ import annotations

from gateway.twin.component import Component
from gateway.twin.components.axes import CamSwitch, ServoAxis
from gateway.twin.components.bodies import Body
from gateway.twin.components.buffers import Bin, Buffer, Magazine
from gateway.twin.components.dispensing import DispensingValve
from gateway.twin.components.drives import LinearAxis, RotaryAxis
from gateway.twin.components.electrics import FrequencyConverter, MotorStarter, PowerSupply
from gateway.twin.components.fluids import Fan, Pump
from gateway.twin.components.gripping import PickAndPlace
from gateway.twin.components.heat import HeatZone
from gateway.twin.components.identification import CodeReader, DistanceSensor
from gateway.twin.components.inspection import Camera, ElectricalTester, FunctionTester, Gauge, Weigher
from gateway.twin.components.joining import Screwdriver
from gateway.twin.components.laminating import Laminator
from gateway.twin.components.lanes import Diverter, Merger, RollerZone
from gateway.twin.components.leaktest import LeakTester
from gateway.twin.components.lifting import Flipper, Lift, TurnUnit
from gateway.twin.components.machine_tools import Drill, Lathe, Mill, WireCutter
from gateway.twin.components.panel import Button, Lamp, OperatorPanel, Selector, StackLight
from gateway.twin.components.places import Nest
from gateway.twin.components.pneumatics import AirSupply, AirUnit, Cylinder, ValveCylinder
from gateway.twin.components.pressing import Press
from gateway.twin.components.robots import Robot
from gateway.twin.components.safety import (
    Door,
    EmergencyStop,
    LightCurtain,
    LockedDoor,
    SafetyRelay,
    TwoHand,
)
from gateway.twin.components.shuttle import Shuttle
from gateway.twin.components.soldering import WireFeeder
from gateway.twin.components.stops import RejectGate, Stopper
from gateway.twin.components.transport import BeltConveyor, PhotoEye
from gateway.twin.components.treating import Treatment
from gateway.twin.components.turning import RotaryTable
from gateway.twin.components.vacuum import Ejector
from gateway.twin.components.welding import LaserSource, ResistanceWelder

KINDS: dict[str, type[Component]] = {
    "air-supply": AirSupply,
    "air-unit": AirUnit,
    "belt-conveyor": BeltConveyor,
    "body": Body,
    "bin": Bin,
    "buffer": Buffer,
    "button": Button,
    "cam-switch": CamSwitch,
    "camera": Camera,
    "code-reader": CodeReader,
    "cylinder": Cylinder,
    "dispensing-valve": DispensingValve,
    "distance-sensor": DistanceSensor,
    "diverter": Diverter,
    "door": Door,
    "drill": Drill,
    "ejector": Ejector,
    "electrical-tester": ElectricalTester,
    "emergency-stop": EmergencyStop,
    "fan": Fan,
    "flipper": Flipper,
    "frequency-converter": FrequencyConverter,
    "function-tester": FunctionTester,
    "gauge": Gauge,
    "heat-zone": HeatZone,
    "laminator": Laminator,
    "lamp": Lamp,
    "laser-source": LaserSource,
    "lathe": Lathe,
    "leak-tester": LeakTester,
    "lift": Lift,
    "light-curtain": LightCurtain,
    "linear-axis": LinearAxis,
    "locked-door": LockedDoor,
    "magazine": Magazine,
    "merger": Merger,
    "mill": Mill,
    "motor-starter": MotorStarter,
    "nest": Nest,
    "operator-panel": OperatorPanel,
    "photo-eye": PhotoEye,
    "pick-and-place": PickAndPlace,
    "power-supply": PowerSupply,
    "press": Press,
    "pump": Pump,
    "reject-gate": RejectGate,
    "resistance-welder": ResistanceWelder,
    "robot": Robot,
    "roller-zone": RollerZone,
    "rotary-axis": RotaryAxis,
    "rotary-table": RotaryTable,
    "safety-relay": SafetyRelay,
    "screwdriver": Screwdriver,
    "selector": Selector,
    "servo-axis": ServoAxis,
    "shuttle": Shuttle,
    "stack-light": StackLight,
    "stopper": Stopper,
    "treatment": Treatment,
    "turn-unit": TurnUnit,
    "two-hand": TwoHand,
    "valve-cylinder": ValveCylinder,
    "weigher": Weigher,
    "wire-cutter": WireCutter,
    "wire-feeder": WireFeeder,
}
