//! The JSON Schema of the experiment file, for editors.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::file::ExperimentSpec;

/// The schema as pretty JSON text, with axes allowed wherever the reader allows them.
pub fn json_schema() -> String {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<ExperimentSpec>();
    let mut schema = schema.to_value();
    if let Some(Value::Object(definitions)) = schema.get_mut("definitions") {
        for (name, definition) in definitions.iter_mut() {
            if may_hold_axes(name) {
                allow_axes(definition);
            } else if name == "DatasetSpec" {
                for rows in ["/properties/max_rows", "/properties/latest_rows"] {
                    if let Some(rows) = definition.pointer_mut(rows) {
                        allow_axis(rows);
                    }
                }
            }
        }
        definitions.insert("Axis".to_string(), axis_schema());
        if let Some(claim) = definitions.get_mut("ClaimEntry") {
            claim["if"] = json!({ "required": ["rows"] });
            claim["then"] = json!({ "required": ["columns"] });
            claim["else"] = json!({ "required": ["name", "metric"] });
        }
    }
    require_unless_derived(&mut schema);
    // Serialising a JSON value to text cannot fail.
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// What a file must give, it may instead take from its base. Lists are never merged, so what is in them stays required.
fn require_unless_derived(schema: &mut Value) {
    let mut take = |pointer: &str| {
        let object = schema.pointer_mut(pointer).and_then(Value::as_object_mut);
        object.and_then(|object| object.remove("required")).unwrap_or(json!([]))
    };
    let columns = json!({ "required": take("/definitions/ColumnsSpec") });
    let dataset =
        json!({ "required": take("/definitions/DatasetSpec"), "properties": { "columns": columns } });
    let task = json!({ "properties": {
        "next_request": { "required": take("/definitions/NextRequestSpec") },
        "window_load": { "required": take("/definitions/WindowLoadSpec") },
        "series": { "required": take("/definitions/SeriesSpec") },
    } });
    let capacity = json!({ "required": take("/definitions/CapacitySpec") });
    let mut root = take("");
    if let Value::Array(keys) = &mut root {
        keys.retain(|key| key != "name");
    }
    schema["required"] = json!(["name"]);
    schema["if"] = json!({ "required": ["base"] });
    schema["else"] =
        json!({ "required": root, "properties": { "dataset": dataset, "task": task, "capacity": capacity } });
}

/// Definitions below `task`, `training` and `models`.
fn may_hold_axes(name: &str) -> bool {
    let elsewhere = [
        "DatasetSpec",
        "ColumnsSpec",
        "CleaningSpec",
        "SplitSpec",
        "EvaluationSpec",
        "SearchSpec",
        "ObjectiveSpec",
        "PrunerSpec",
        "AshaSpec",
        "MedianSpec",
        "SchedulerSpec",
        "SlurmSpec",
        "KubernetesSpec",
        "UncertaintySpec",
        "CapacitySpec",
    ];
    name.ends_with("Spec") && !elsewhere.contains(&name) && name != "TaskSpec" && name != "ModelSpec"
        || name == "Schedule"
}

/// Lets every number, string and boolean property of a definition be an axis instead.
fn allow_axes(definition: &mut Value) {
    match definition {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get_mut("properties") {
                for property in properties.values_mut() {
                    if is_scalar(property) {
                        allow_axis(property);
                    } else {
                        allow_axes(property);
                    }
                }
            }
            if let Some(values) = map.get_mut("additionalProperties").filter(|values| is_scalar(values)) {
                allow_axis(values);
            }
            for key in ["oneOf", "anyOf", "allOf"] {
                if let Some(Value::Array(items)) = map.get_mut(key) {
                    items.iter_mut().for_each(allow_axes);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(allow_axes),
        _ => {}
    }
}

fn is_scalar(property: &Value) -> bool {
    let scalar = |name: &Value| ["integer", "number", "string", "boolean"].iter().any(|kind| name == kind);
    match property.get("type") {
        Some(Value::Array(names)) => names.iter().any(scalar),
        Some(name) => scalar(name),
        None => property.get("$ref").is_some() || property.get("allOf").is_some(),
    }
}

fn allow_axis(property: &mut Value) {
    let mut inner = property.take();
    let mut outer = Map::new();
    if let Value::Object(fields) = &mut inner {
        for key in ["description", "default"] {
            if let Some(value) = fields.remove(key) {
                outer.insert(key.to_string(), value);
            }
        }
    }
    outer.insert("anyOf".to_string(), json!([inner, { "$ref": "#/definitions/Axis" }]));
    *property = Value::Object(outer);
}

fn axis_schema() -> Value {
    let pair = json!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 });
    let only = |name: &str, schema: Value, description: &str| {
        json!({ "type": "object", "description": description, "properties": { name: schema }, "required": [name],
                "additionalProperties": false })
    };
    json!({
        "description": "Several values instead of one.",
        "oneOf": [
            only("grid", json!({ "type": "array", "minItems": 1, "items": { "type": ["number", "string", "boolean"] } }),
                 "Each of these values."),
            only("uniform", pair.clone(), "A real number between the two."),
            only("log_uniform", pair.clone(), "A real number between the two, uniform in its logarithm."),
            only("int", pair, "A whole number from the first to the second."),
        ]
    })
}
