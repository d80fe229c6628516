//! What stands beside the selector in a query, checked in CouchDB's order and words (`mango_opts.erl`, `mango_sort.erl`,
//! `mango_fields.erl`).

use super::{id_range, refusal::Refusal, selector::Selector, term::Term};
use serde_json::{Map, Value};

#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) selector: Selector,
    /// Empty: from the start.
    pub(super) bookmark: String,
    pub(super) skip: u64,
    pub(super) descending: bool,
    /// None: whole documents.
    pub(super) fields: Option<Vec<String>>,
}

impl Options {
    pub(super) fn parse(mut query: Map<String, Value>) -> Result<Self, Refusal> {
        let mut take = |name: &str| query.remove(name);
        let selector = take("selector")
            .ok_or_else(|| Refusal::new("missing_required_key", "Missing required key: selector"))?;
        let selector = Selector::parse(&selector)?;
        let index = take("use_index").map_or(Ok(Vec::new()), |value| index_name(&value))?;
        let bookmark = take("bookmark").map_or(Ok(String::new()), bookmark)?;
        // Fabric has put its own in.
        take("limit").map_or(Ok(0), |value| natural(&value))?;
        let skip = take("skip").map_or(Ok(0), |value| natural(&value))?;
        let (sort, descending) = take("sort").map_or(Ok((Vec::new(), false)), |value| sort(&value))?;
        let fields = take("fields").map_or(Ok(None), |value| fields(&value))?;
        let partition = take("partition");
        if partition.as_ref().is_some_and(|value| !value.is_string()) {
            return Err(Refusal::new("illegal_partition", "Partition must be a string"));
        }
        if let Some(reads) = take("r").filter(|reads| reads.as_u64().is_none_or(|reads| reads == 0)) {
            let reason = format!("{} is not an integer greater than zero", Term(&reads));
            return Err(Refusal::new("invalid_pos_integer", reason));
        }
        truth(take("conflicts"), false)?;
        let stale = take("stale");
        if let Some(stale) =
            stale.filter(|stale| !matches!(stale.as_str(), Some("ok" | "false")) && *stale != false)
        {
            let reason = format!(
                "Unknown Error: mango_opts :: {{invalid_ok_or_false_value,{}}}",
                Term(&stale)
            );
            return Err(Refusal::unknown(reason));
        }
        for name in ["update", "stable", "execution_stats"] {
            truth(take(name), false)?;
        }
        let fallback = truth(take("allow_fallback"), true)?;
        if let Some(name) = query.keys().next() {
            return Err(Refusal::new(
                "invalid_key",
                format!("Invalid key {name} for this request."),
            ));
        }
        if partition.is_some_and(|partition| partition != "") {
            let reason = "`partition` parameter is not supported on this db";
            return Err(Refusal::new("query_parse_error", reason));
        }
        let sortable = sort.is_empty() || sort == ["_id"] && id_range::bounds(&selector, "_id");
        if !sortable {
            let reason = "No index exists for this sort, try indexing by the sort fields.";
            return Err(Refusal::new("no_usable_index", reason));
        }
        if !fallback {
            return Err(no_index(&index));
        }
        Ok(Self {
            selector,
            bookmark,
            skip,
            descending,
            fields,
        })
    }
}

fn no_index(index: &[String]) -> Refusal {
    let reason = match index {
        [] => "You must specify an index with the `use_index` parameter.".to_owned(),
        names => {
            let names = names.join(", ");
            format!("_design/{names} specified by `use_index` could not be found or it is not suitable.")
        }
    };
    Refusal::new("invalid_index", reason)
}

fn natural(value: &Value) -> Result<u64, Refusal> {
    value.as_u64().ok_or_else(|| {
        let reason = format!("{} is not an integer greater than or equal to zero", Term(value));
        Refusal::new("invalid_non_neg_integer", reason)
    })
}

fn truth(value: Option<Value>, default: bool) -> Result<bool, Refusal> {
    let Some(value) = value else { return Ok(default) };
    value.as_bool().ok_or_else(|| {
        Refusal::new(
            "invalid_boolean",
            format!("Invalid boolean value: {}", Term(&value)),
        )
    })
}

fn bookmark(value: Value) -> Result<String, Refusal> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(bookmark) => Ok(bookmark),
        other => {
            let reason = format!(
                "Unknown Error: mango_opts :: {{invalid_bookmark,{}}}",
                Term(&other)
            );
            Err(Refusal::unknown(reason))
        }
    }
}

/// A design document, and perhaps a view in it.
fn index_name(value: &Value) -> Result<Vec<String>, Refusal> {
    let wrong = || {
        Refusal::new(
            "invalid_index_name",
            format!("Invalid index name: {}", Term(value)),
        )
    };
    let names: Vec<&str> = match value {
        Value::Null => Vec::new(),
        Value::String(name) => match name.split('/').collect::<Vec<_>>().as_slice() {
            ["_design", names @ ..] | names if (1..=2).contains(&names.len()) => names.to_vec(),
            _ => return Err(wrong()),
        },
        Value::Array(names) if names.len() <= 2 => names
            .iter()
            .map(|name| name.as_str().ok_or_else(wrong))
            .collect::<Result<_, _>>()?,
        _ => return Err(wrong()),
    };
    Ok(names
        .into_iter()
        .map(|name| name.trim_start_matches("_design/").to_owned())
        .collect())
}

/// The fields to sort by, and whether downwards.
fn sort(value: &Value) -> Result<(Vec<String>, bool), Refusal> {
    let Value::Array(specs) = value else {
        let reason = format!("Sort must be an array of sort specs, not: {:#}", Term(value));
        return Err(Refusal::new("invalid_sort_json", reason));
    };
    let fields = specs.iter().map(sort_field).collect::<Result<Vec<_>, _>>()?;
    let descending = fields.iter().any(|(_, descending)| *descending);
    if descending && !fields.iter().all(|(_, descending)| *descending) {
        let reason = "Sorts currently only support a single direction for all fields.";
        return Err(Refusal::new("unsupported_mixed_sort", reason));
    }
    Ok((fields.into_iter().map(|(field, _)| field).collect(), descending))
}

fn sort_field(spec: &Value) -> Result<(String, bool), Refusal> {
    let only = spec.as_object().filter(|fields| fields.len() == 1);
    match (spec, only.and_then(|fields| fields.iter().next())) {
        (Value::String(field), _) if !field.is_empty() => Ok((field.clone(), false)),
        (_, Some((field, direction))) if direction == "asc" || direction == "desc" => {
            Ok((field.clone(), direction == "desc"))
        }
        _ => Err(Refusal::new(
            "invalid_sort_field",
            format!("Invalid sort field: {:#}", Term(spec)),
        )),
    }
}

fn fields(value: &Value) -> Result<Option<Vec<String>>, Refusal> {
    let Value::Array(names) = value else {
        let reason = format!("Fields must be an array of strings, not: {}", Term(value));
        return Err(Refusal::new("invalid_fields", reason));
    };
    let name = |value: &Value| match value {
        Value::String(name) => Ok(name.clone()),
        // CouchDB takes it here, and fails at the first document.
        Value::Object(_) => Err(Refusal::unknown("badarg")),
        other => Err(Refusal::new(
            "invalid_field",
            format!("Invalid JSON for field spec: {}", Term(other)),
        )),
    };
    let names = names.iter().map(name).collect::<Result<Vec<_>, _>>()?;
    Ok((!names.is_empty()).then_some(names))
}
