"""The cell: twin, write gate, forces and watches as one step function (the decision space); pure."""
