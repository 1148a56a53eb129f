"""The config written down: a commented YAML file, and the JSON Schema for editors."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any, Final

import yaml
from pydantic_core import PydanticUndefined

from stream_cl.config import Config, kinds, public
from stream_cl.config.messages import Place, expected, schema_of
from stream_cl.config.section import Section
from stream_cl.config.yaml import is_secret

_WIDTH: Final = 96
_HEAD: Final = """\
# A config of stream-cl with every key; a key that is left out has its default.
# Over this file go the environment (STREAM_CL__STEP__MAX_EVENTS=500) and, over that,
# --set step.max_events=500. `stream-cl check FILE` names every mistake.
"""


def template(config: Config) -> str:
    """A commented YAML file that gives `config` when it is read, but for its secrets."""
    values = public(config)
    blocks = [_HEAD]
    plain = [name for name in values if not isinstance(getattr(config, name), Section)]
    for name in plain:
        blocks.append("\n".join(_setting(Config, (name,), values[name], "")) + "\n")
    for name in values:
        if name not in plain:
            blocks.append(_section(name, getattr(config, name), values[name]))
    return "\n".join(blocks)


def _section(
    name: str, section: Section, values: dict[str, Any], owner: type[Section] = Config
) -> str:
    lines = [*_comment(_about(type(section)), ""), f"{name}:"]
    models = kinds(name, owner)
    if models:
        lines += [*_comment(f"One of: {', '.join(models)}.", "  "), f"  kind: {values['kind']}"]
    for key, value in values.items():
        inner = getattr(section, key)
        if isinstance(inner, Section):
            block = _section(key, inner, value, type(section))
            lines += textwrap.indent(block, "  ").rstrip().split("\n")
        elif key != "kind":
            lines += _setting(type(section), (name, key), value, "  ")
    for kind, model in models.items():
        # What else may stand inside a section is told where it may stand by itself.
        if kind != values["kind"] and owner is Config:
            lines += _other_kind(name, model, type(section))
    return "\n".join(lines) + "\n"


def _other_kind(name: str, model: type[Section], chosen: type[Section]) -> list[str]:
    kind = model.model_fields["kind"].default
    lines = [f"  # kind: {kind}", *_comment(_about(model), "  #   ")]
    for key, field in model.model_fields.items():
        explained = chosen.model_fields.get(key)
        same = explained is not None and explained.description == field.description
        if key != "kind" and not same:
            default = field.get_default(call_default_factory=True)
            plain = default.model_dump() if isinstance(default, Section) else default
            given = "..." if default is PydanticUndefined else _yaml(plain)
            about = f"{key}: {given}  {field.description} {_right(model, (name, key))}"
            lines += _comment(about, "  #   ", "  ")
    return lines


def _setting(owner: type[Section], path: tuple[str, ...], value: Any, indent: str) -> list[str]:
    about = owner.model_fields[path[-1]].description
    comment = _comment(f"{about} {_right(owner, path)}", indent)
    shown = None if is_secret(path) else value
    return [*comment, f"{indent}{path[-1]}: {_yaml(shown)}"]


def _right(owner: type[Section], path: tuple[str, ...]) -> str:
    right = expected(schema_of(Place(path, owner, len(path))))
    return f"({right[0].upper()}{right[1:]}.)"


def _comment(text: str, indent: str, further: str = "") -> list[str]:
    lead = indent if "#" in indent else f"{indent}# "
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=lead,
        subsequent_indent=lead + further,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _about(model: type[Section]) -> str:
    return inspect.cleandoc(model.__doc__ or "")


def _yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def json_schema(config: Config) -> dict[str, Any]:
    """JSON Schema 2020-12 of a config file; the defaults in it are the values of `config`."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= Config.model_json_schema()
    properties: dict[str, Any] = schema["properties"]  # type: ignore[assignment]
    definitions: dict[str, Any] = schema["$defs"]  # type: ignore[assignment]
    for name, value in public(config).items():
        properties[name]["default"] = value
        section = getattr(config, name)
        if isinstance(section, Section):
            _defaults(section, value, definitions)
        models = kinds(name)
        if len(models) > 1:
            # Without its kind a section could be several of them.
            for model in models.values():
                required = definitions[model.__name__].setdefault("required", [])
                required.insert(0, "kind")
    return schema


def _defaults(section: Section, values: dict[str, Any], definitions: dict[str, Any]) -> None:
    for key, value in values.items():
        definitions[type(section).__name__]["properties"][key]["default"] = value
        inner = getattr(section, key)
        if isinstance(inner, Section):
            _defaults(inner, value, definitions)
