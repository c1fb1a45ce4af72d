"""What all records share: strict types, frozen fields, one line for a fault, and no loss of unknown fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator

from harness.errors import InputError

LONGEST_FAULT = 200


def _as_written(value: Any, check: Callable[[Any], Any]) -> Any:
    """The number itself, checked: an integer stays one, so that a record is written as it was read."""
    check(value)
    return value


Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Total = Annotated[int, Field(ge=0, le=2**63 - 1)]
Natural = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]
NumberAsWritten = Annotated[Number, WrapValidator(_as_written)]


class StoredModel(BaseModel):
    """A JSON object of a file. Fields that this version does not know are kept, and written again."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, defer_build=True)

    def as_json(self) -> dict[str, Any]:
        """The object as it was read or made: fields that were left out stay so."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    def changed(self, **fields: Any) -> Self:
        """The same record with other values, given as JSON, in these fields."""
        return self.model_validate({**self.as_json(), **fields})


class Checked(BaseModel):
    """A JSON object of which only these fields are read; others are left alone."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, defer_build=True)


Record = TypeVar("Record", bound=BaseModel)


def parsed(record: type[Record], value: object, where: str, remedy: str) -> Record:
    """The record that a JSON value stands for; InputError, one line that names the field, if it stands for none."""
    try:
        return record.model_validate(value)
    except ValidationError as error:
        raise InputError(f"{where}: {first_fault(error)[:LONGEST_FAULT]}; {remedy}") from None


def first_fault(error: ValidationError) -> str:
    """The first of a validation's faults in one line: field, what is wrong."""
    fault = error.errors()[0]
    field = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ").partition(" or instance of ")[0]
    return f"{field}: {message}" if field else message
