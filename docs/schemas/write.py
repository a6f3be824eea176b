"""Write the JSON Schema of every result and journal line: ``python docs/schemas/write.py``."""

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from texts import description_of, summary_of

from trtbench.results import (
    KINDS,
    AaBlocks,
    AaComparison,
    ProcessRecord,
    RoundRecord,
    RunRecord,
    SweepLine,
    TimedBlock,
    TuneLine,
)
from trtbench.specs import Spec

HERE = Path(__file__).parent
GLOSSARY = yaml.safe_load((HERE / "glossary.yaml").read_text(encoding="utf-8"))

JOURNALS: dict[str, type[Spec]] = {
    "line_timed_block": TimedBlock,
    "line_process": ProcessRecord,
    "line_round": RoundRecord,
    "line_aa_comparison": AaComparison,
    "line_aa_blocks": AaBlocks,
    "line_sweep": SweepLine,
    "line_tune": TuneLine,
}
"""Lines of ``.jsonl`` files, by the name of their schema."""
DOCUMENTS: dict[str, type[Spec]] = {**KINDS, "run": RunRecord}
"""Files that hold one JSON object: results by their ``kind``, and ``run.json`` of a measurement."""

_CHECKSUM = {
    "type": "string",
    "pattern": "^[0-9a-f]{8}$",
    "description": "CRC-32 of this line without it and of all lines before; absent in older journals.",
}


def schemas() -> dict[str, str]:
    """Text of each file by its name."""
    documents = {name: _schema(name, model) for name, model in DOCUMENTS.items()}
    lines = {name: _schema(name, model) for name, model in JOURNALS.items()}
    for schema in lines.values():
        schema["properties"]["crc32"] = _CHECKSUM
    return {
        f"{name}.schema.json": json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        for name, schema in (documents | lines).items()
    }


class _Described(GenerateJsonSchema):
    """Adds the description of each property, and leaves out titles, which only repeat names."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """Describe the properties of a model."""
        found = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        found["description"] = summary_of(model)
        for name, each in found.get("properties", {}).items():
            each.pop("title", None)
            text = description_of(model, name) or GLOSSARY.get(name)
            if "description" not in each and text:
                each["description"] = text
        return found


def _schema(name: str, model: type[Spec]) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=_Described)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": name}


def main() -> None:
    """Write all files, and remove those of kinds that are gone."""
    texts = schemas()
    for path in HERE.glob("*.schema.json"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (HERE / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(texts)} schemas, {sum(map(len, texts.values()))} characters\n")


if __name__ == "__main__":
    main()
