//! JSON schemas: where they come from, and whether a value keeps one.
//!
//! Types make their schemas with `schemars`; named ones go to the metadata's `components.schemas`, as in Fabric's other contract libraries. What
//! serde cannot see (ranges, lengths, forbidden extra fields) is checked here, keyword by keyword.

use std::fmt;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value};

/// Where references point to.
const COMPONENTS: &str = "/components/schemas";

/// Keywords that only describe.
const DESCRIBING: [&str; 12] = [
    "$comment",
    "$schema",
    "contentEncoding",
    "default",
    "deprecated",
    "description",
    "examples",
    "format",
    "readOnly",
    "title",
    "writeOnly",
    "contentMediaType",
];

/// Makes schemas whose references fit into the metadata.
pub(super) fn generator() -> SchemaGenerator {
    SchemaSettings::draft07()
        .with(|settings| {
            settings.definitions_path = COMPONENTS.into();
            settings.meta_schema = None;
        })
        .into_generator()
}

/// A schema with the named schemas that it refers to.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    schema: Value,
    components: Map<String, Value>,
}

/// Why a value does not keep a schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// Where in the value: `steps[2].price`; empty for the value itself.
    at: String,
    /// What is allowed there.
    allowed: String,
    kind: Kind,
}

/// By what a value does not keep a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is of another type.
    Type,
    /// It is not one of the values that are allowed.
    Value,
    Other,
}

impl Violation {
    /// How far inside the value.
    fn depth(&self) -> usize {
        depth(&self.at)
    }
}

fn depth(at: &str) -> usize {
    at.matches(['.', '[']).count()
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.strip_prefix('.').unwrap_or(&self.at);
        if !at.is_empty() {
            write!(f, "at {at}: ")?;
        }
        write!(f, "{} is allowed", self.allowed)
    }
}

type Check = Result<(), Violation>;

impl Checked {
    pub(super) fn new(schema: Value, components: Map<String, Value>) -> Self {
        Self { schema, components }
    }

    /// Whether it is that of text.
    pub(super) fn is_text(&self) -> bool {
        self.schema.get("type").is_some_and(|of_type| of_type == "string")
    }

    pub(super) fn check(&self, value: &Value) -> Check {
        self.value(&self.schema, value, "")
    }

    /// The first keyword that [`check`](Self::check) does not know.
    pub(super) fn unknown_keyword(&self) -> Option<String> {
        let schemas = std::iter::once(&self.schema).chain(self.components.values());
        schemas.into_iter().find_map(unknown_keyword)
    }

    fn value(&self, schema: &Value, value: &Value, at: &str) -> Check {
        let keywords = match schema {
            Value::Object(keywords) => keywords,
            Value::Bool(false) => return violation(at, "nothing"),
            _ => return Ok(()),
        };
        for (keyword, wanted) in keywords {
            match keyword.as_str() {
                "$ref" => self.value(self.named(wanted), value, at)?,
                "allOf" => {
                    for schema in list(wanted) {
                        self.value(schema, value, at)?;
                    }
                }
                "anyOf" => self.some_of(list(wanted), value, at, |n| n >= 1)?,
                "oneOf" => self.some_of(list(wanted), value, at, |n| n == 1)?,
                "not" if self.value(wanted, value, at).is_ok() => return violation(at, "something else"),
                "type" => of_type(wanted, keywords, value, at)?,
                "enum" if !list(wanted).contains(value) => {
                    let values: Vec<_> = list(wanted).iter().map(ToString::to_string).collect();
                    return violation_of(Kind::Value, at, values.join(" or "));
                }
                "const" if wanted != value => return violation_of(Kind::Value, at, wanted.to_string()),
                _ => {}
            }
        }
        match value {
            Value::Object(fields) => self.fields(keywords, fields, at),
            Value::Array(items) => self.items(keywords, items, at),
            Value::String(text) => length(
                keywords,
                ["minLength", "maxLength"],
                text.chars().count(),
                "characters",
                at,
            ),
            Value::Number(_) => number(keywords, value, at),
            Value::Bool(_) | Value::Null => Ok(()),
        }
    }

    fn named(&self, reference: &Value) -> &Value {
        let name = reference.as_str().unwrap_or_default();
        let name = name
            .strip_prefix('#')
            .and_then(|path| path.strip_prefix(COMPONENTS));
        let name = name.and_then(|name| name.strip_prefix('/')).unwrap_or_default();
        self.components.get(name).unwrap_or(&Value::Bool(false))
    }

    fn some_of(&self, schemas: &[Value], value: &Value, at: &str, enough: impl Fn(usize) -> bool) -> Check {
        let failures: Vec<_> = schemas
            .iter()
            .filter_map(|schema| self.value(schema, value, at).err())
            .collect();
        if enough(schemas.len() - failures.len()) {
            return Ok(());
        }
        Err(nearest(failures, at).unwrap_or_else(|| Violation {
            at: at.to_owned(),
            allowed: "exactly one of several forms".to_owned(),
            kind: Kind::Other,
        }))
    }

    fn fields(&self, keywords: &Map<String, Value>, fields: &Map<String, Value>, at: &str) -> Check {
        let known = keywords.get("properties").and_then(Value::as_object);
        // Tags first: they say which of several forms is meant.
        for (name, schema) in known.into_iter().flatten() {
            if let (Some(tag), Some(value)) = (schema.get("const"), fields.get(name))
                && tag != value
            {
                return violation_of(Kind::Value, &format!("{at}.{name}"), tag.to_string());
            }
        }
        for required in keywords.get("required").map(list).into_iter().flatten() {
            let name = required.as_str().unwrap_or_default();
            if !fields.contains_key(name) {
                return violation(at, format!("an object with {name:?}"));
            }
        }
        length(
            keywords,
            ["minProperties", "maxProperties"],
            fields.len(),
            "fields",
            at,
        )?;
        for (name, value) in fields {
            let at = format!("{at}.{name}");
            match known
                .and_then(|known| known.get(name))
                .or_else(|| keywords.get("additionalProperties"))
            {
                Some(Value::Bool(false)) => return violation(&at, "no such field"),
                Some(schema) => self.value(schema, value, &at)?,
                None => {}
            }
        }
        Ok(())
    }

    fn items(&self, keywords: &Map<String, Value>, items: &[Value], at: &str) -> Check {
        length(keywords, ["minItems", "maxItems"], items.len(), "elements", at)?;
        if keywords.get("uniqueItems") == Some(&Value::Bool(true)) {
            let repeated = (1..items.len()).find(|&n| items[..n].contains(&items[n]));
            if let Some(n) = repeated {
                return violation(&format!("{at}[{n}]"), "an element that is not there yet");
            }
        }
        for (n, item) in items.iter().enumerate() {
            let schema = match keywords.get("items") {
                Some(Value::Array(places)) => places.get(n).or_else(|| keywords.get("additionalItems")),
                schema => schema,
            };
            if let Some(schema) = schema {
                self.value(schema, item, &format!("{at}[{n}]"))?;
            }
        }
        Ok(())
    }
}

fn violation(at: &str, allowed: impl Into<String>) -> Check {
    violation_of(Kind::Other, at, allowed)
}

fn violation_of(kind: Kind, at: &str, allowed: impl Into<String>) -> Check {
    Err(Violation {
        at: at.to_owned(),
        allowed: allowed.into(),
        kind,
    })
}

/// Of the alternatives' violations for the value at a place, those of the alternatives that were meant: what got furthest into the value; else
/// what fits but for its fields; else the tags; else everything that the value could be.
fn nearest(failures: Vec<Violation>, at: &str) -> Option<Violation> {
    let here = depth(at);
    let is_tag = |failure: &Violation| failure.kind == Kind::Value && failure.depth() == here + 1;
    let preference = |failure: &Violation| {
        if is_tag(failure) {
            1
        } else if failure.depth() > here {
            2 + failure.depth()
        } else if failure.kind == Kind::Other {
            2
        } else {
            0
        }
    };
    let best = failures.iter().map(preference).max()?;
    let mut meant = failures.into_iter().filter(|failure| preference(failure) == best);
    let mut nearest = meant.next()?;
    let mut allowed = vec![nearest.allowed];
    for other in meant {
        if other.at == nearest.at && !allowed.contains(&other.allowed) {
            allowed.push(other.allowed);
        }
    }
    nearest.allowed = allowed.join(" or ");
    Some(nearest)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn of_type(wanted: &Value, keywords: &Map<String, Value>, value: &Value, at: &str) -> Check {
    let is = |wanted: &Value| match wanted.as_str().unwrap_or_default() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        _ => false,
    };
    let matches = wanted
        .as_array()
        .map_or_else(|| is(wanted), |types| types.iter().any(is));
    if matches {
        return Ok(());
    }
    let first = keywords
        .get("required")
        .and_then(|required| list(required).first());
    violation_of(
        Kind::Type,
        at,
        match first {
            Some(name) if wanted == "object" => format!("an object with {name}"),
            _ => format!("type {wanted}"),
        },
    )
}

fn length(
    keywords: &Map<String, Value>,
    [least, most]: [&str; 2],
    found: usize,
    of: &str,
    at: &str,
) -> Check {
    let bound = |keyword: &str| keywords.get(keyword).and_then(Value::as_u64);
    let found = u64::try_from(found).unwrap_or(u64::MAX);
    if bound(least).is_some_and(|least| found < least) || bound(most).is_some_and(|most| found > most) {
        let (least, most) = (bound(least).unwrap_or(0), bound(most));
        if most == Some(least) {
            return violation(at, format!("{least} {of}"));
        }
        let most = most.map_or_else(|| "any number of".to_owned(), |most| most.to_string());
        return violation(at, format!("{least} to {most} {of}"));
    }
    Ok(())
}

fn number(keywords: &Map<String, Value>, value: &Value, at: &str) -> Check {
    type Allowed = fn(std::cmp::Ordering) -> bool;
    let bounds: [(&str, &str, Allowed); 4] = [
        ("minimum", "at least", std::cmp::Ordering::is_ge),
        ("maximum", "at most", std::cmp::Ordering::is_le),
        ("exclusiveMinimum", "more than", std::cmp::Ordering::is_gt),
        ("exclusiveMaximum", "less than", std::cmp::Ordering::is_lt),
    ];
    for (keyword, words, allowed) in bounds {
        if let Some(bound) = keywords.get(keyword)
            && !compare(value, bound).is_some_and(allowed)
        {
            return violation(at, format!("a number of {words} {bound}"));
        }
    }
    let format = keywords.get("format").and_then(Value::as_str);
    if let Some((least, most)) = format.and_then(integers)
        && !integer(value).is_some_and(|number| (least..=most).contains(&number))
    {
        return violation(at, format!("an integer from {least} to {most}"));
    }
    Ok(())
}

/// What a format of integers holds; those of 8 and 16 bits have their bounds beside them.
fn integers(format: &str) -> Option<(i128, i128)> {
    match format {
        "int32" => Some((i32::MIN.into(), i32::MAX.into())),
        "int64" => Some((i64::MIN.into(), i64::MAX.into())),
        "uint32" => Some((0, u32::MAX.into())),
        "uint64" => Some((0, u64::MAX.into())),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i128> {
    value
        .as_i64()
        .map(i128::from)
        .or_else(|| value.as_u64().map(i128::from))
}

/// Integers exactly, everything else as far as a double goes.
fn compare(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

/// The first keyword of a schema, or of those inside it, that is neither checked nor a description.
fn unknown_keyword(schema: &Value) -> Option<String> {
    for (keyword, value) in schema.as_object()? {
        let inner: Vec<&Value> = match keyword.as_str() {
            "allOf" | "anyOf" | "oneOf" => list(value).iter().collect(),
            "properties" => value.as_object().into_iter().flat_map(Map::values).collect(),
            "items" => value
                .as_array()
                .map_or_else(|| vec![value], |places| places.iter().collect()),
            "not" | "additionalProperties" | "additionalItems" => vec![value],
            "$ref" | "type" | "enum" | "const" | "required" | "uniqueItems" | "minProperties"
            | "maxProperties" | "minItems" | "maxItems" | "minLength" | "maxLength" | "minimum"
            | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => Vec::new(),
            describing if DESCRIBING.contains(&describing) || describing.starts_with("x-") => Vec::new(),
            unknown => return Some(unknown.to_owned()),
        };
        if let Some(unknown) = inner.into_iter().find_map(unknown_keyword) {
            return Some(unknown);
        }
    }
    None
}

#[cfg(test)]
mod tests;
