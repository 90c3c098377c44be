//! Whether JSON is as a schema says: as much of JSON Schema (draft 2020-12) as our schemas use. A keyword that is not
//! known here is an error, so that nothing passes unlooked at.

use serde_json::Value;

/// Keywords that say nothing about what is valid.
const COMMENTS: [&str; 6] = ["$schema", "$defs", "title", "description", "format", "default"];

/// Checks `value` against `schema`, whose references are looked up in `root`.
///
/// # Errors
/// What is wrong, and where.
pub fn check(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    let keywords = schema.as_object().ok_or_else(|| format!("{schema} is no schema"))?;
    for (keyword, wanted) in keywords {
        let right = match keyword.as_str() {
            "$ref" => {
                let name = wanted.as_str().and_then(|name| name.strip_prefix("#/$defs/")).unwrap_or_default();
                let target = root["$defs"].get(name).ok_or_else(|| format!("no definition of {wanted}"))?;
                check(value, target, root).map_err(|why| format!("{name}: {why}"))?;
                true
            }
            "type" => types(wanted).any(|name| is(value, name)),
            "properties" => {
                for (name, schema) in wanted.as_object().into_iter().flatten() {
                    if let Some(property) = value.get(name) {
                        check(property, schema, root).map_err(|why| format!("{name}: {why}"))?;
                    }
                }
                true
            }
            // Of what may be null nothing is required of it, but it is always there.
            "required" => types(wanted).all(|name| value.get(name).is_some()),
            "additionalProperties" => {
                let known = &schema["properties"];
                wanted != false
                    || value.as_object().is_none_or(|all| all.keys().all(|key| known.get(key).is_some()))
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(item, wanted, root).map_err(|why| format!("[{index}]: {why}"))?;
                }
                true
            }
            "allOf" => {
                for part in wanted.as_array().into_iter().flatten() {
                    check(value, part, root)?;
                }
                true
            }
            "anyOf" | "oneOf" => {
                let tried: Vec<_> =
                    wanted.as_array().into_iter().flatten().map(|one| check(value, one, root)).collect();
                let right = tried.iter().filter(|tried| tried.is_ok()).count();
                match keyword.as_str() {
                    "anyOf" if right > 0 => true,
                    "oneOf" if right == 1 => true,
                    _ => return Err(format!("{right} of {} forms fit: {tried:?}", tried.len())),
                }
            }
            "enum" => wanted.as_array().is_some_and(|all| all.contains(value)),
            "pattern" => value.as_str().is_none_or(|text| matches(text, wanted.as_str().unwrap_or_default())),
            "minimum" => value.as_f64().is_none_or(|number| Some(number) >= wanted.as_f64()),
            "maximum" => value.as_f64().is_none_or(|number| Some(number) <= wanted.as_f64()),
            comment if COMMENTS.contains(&comment) => true,
            unknown => return Err(format!("the keyword {unknown:?} is not known here")),
        };
        if !right {
            return Err(format!("{keyword} {wanted} does not hold of {value}"));
        }
    }
    Ok(())
}

/// One name, or several.
fn types(wanted: &Value) -> impl Iterator<Item = &str> {
    wanted.as_array().map_or(std::slice::from_ref(wanted), Vec::as_slice).iter().filter_map(Value::as_str)
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

/// The one form of pattern that the schemas have: `^blake3:[0-9a-f]{64}$`, with any beginning and number.
fn matches(text: &str, pattern: &str) -> bool {
    let parts = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix("}$")?.split_once("[0-9a-f]{"));
    let Some((beginning, Ok(count))) = parts.map(|(beginning, count)| (beginning, count.parse::<usize>()))
    else {
        panic!("the pattern {pattern:?} is of another form than all others")
    };
    text.strip_prefix(beginning).is_some_and(|digits| {
        digits.len() == count && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_fit_is_found() {
        let schema = json!({
            "$defs": { "Id": { "type": "string", "pattern": "^x:[0-9a-f]{4}$" } },
            "type": "object",
            "required": ["id", "n"],
            "properties": {
                "id": { "$ref": "#/$defs/Id" },
                "n": { "type": ["integer", "null"], "minimum": 0 },
                "list": { "type": "array", "items": { "anyOf": [{ "type": "string" }, { "type": "null" }] } },
            },
        });
        let fits = |value: Value| check(&value, &schema, &schema);
        assert_eq!(fits(json!({ "id": "x:00ff", "n": 0, "list": ["a", null], "more": 1 })), Ok(()));
        assert_eq!(fits(json!({ "id": "x:00ff", "n": null })), Ok(()));
        for wrong in [
            json!({ "id": "x:00ff" }),
            json!({ "id": "x:00fg", "n": 0 }),
            json!({ "id": "00ff", "n": 0 }),
            json!({ "id": "x:00ff", "n": -1 }),
            json!({ "id": "x:00ff", "n": 0, "list": [1] }),
            json!([]),
        ] {
            assert!(fits(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(check(&json!(1), &json!({ "multipleOf": 2 }), &schema).is_err());
    }
}
