"""What all records have in common."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of all records: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")
