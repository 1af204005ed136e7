"""The kind of a model, known without running it, whichever framework Keras runs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from explain.backends.inspection import Inspection
from explain.backends.stepwise import is_stepwise, takes_state
from explain.inputs.wiring import Wiring
from explain.keras.building import check_complete
from explain.keras.inspection import shape_complaint
from explain.keras.structure import Structure, StructureOf


@dataclass(frozen=True, kw_only=True)
class KerasInspection(Inspection):
    """A Keras model or a function, and its kind.

    Parameters
    ----------
    eager : bool
        True if the model must run operation by operation, not as a trace.
    structure : Structure
        The settings that a trace of the model is specialised to.
    """

    eager: bool = False
    structure: Structure = field(default_factory=Structure)

    @classmethod
    def of(
        cls,
        model: Any,
        given: Any,
        wiring: Wiring | None,
        shape: Sequence[int] | None,
        structure_of: StructureOf,
    ) -> Self:
        """Determine the kind of a Keras model.

        Parameters
        ----------
        model : keras.Model
            The model.
        given, wiring : Mapping, Wiring or None
            The keyword arguments that the caller passes, and the assignment of several inputs to arguments. If one of
            them contains a state, the caller supplies the state.
        shape : sequence of int, optional
            The shape of the only input, batch first.
        structure_of : callable
            Gives the structure of a built model.

        Raises
        ------
        ModelNotBuiltError
            If the model has no weights yet.
        UnsupportedModelError
            If it has no `call`.
        """
        check_complete(model, shape)
        found = structure_of(model)
        return cls(
            model=model,
            opaque=False,
            stepwise=wiring is None and is_stepwise(model.call, given),
            takes_state=takes_state(model.call),
            eager=bool(getattr(model, "run_eagerly", False)),
            fixed_batch_size=found.batch_size,
            structure=found,
        )

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Reject an only input, batch first, that does not fit the shape that the model states.

        Raises
        ------
        InputError, LayoutError
            If it does not fit; the message says what to do.
        """
        complaint = shape_complaint(self.structure.input_shape, shape)
        if complaint is not None:
            raise complaint.error()
