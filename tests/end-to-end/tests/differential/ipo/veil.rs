//! Names in the place of what differs from run to run.

use serde_json::{Map, Value};

/// What is known to differ, each with the name that stands for it.
#[derive(Default)]
pub(crate) struct Veil(Vec<(String, String)>);

impl Veil {
    /// From now on `name` stands for `real`.
    pub(crate) fn cover(&mut self, real: &str, name: String) {
        assert!(real.len() >= 8, "{real} could stand anywhere");
        self.0.push((real.to_owned(), name));
        // A longer one may hold a shorter one.
        self.0.sort_by_key(|(real, _)| std::cmp::Reverse(real.len()));
    }

    /// The text with names in it.
    pub(crate) fn over_text(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, (real, name)| text.replace(real, name))
    }

    /// The same for everything in a value.
    pub(crate) fn over(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.over_text(text)),
            Value::Array(all) => all.iter().map(|one| self.over(one)).collect(),
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| (self.over_text(name), self.over(value)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }
}

/// Records whose keys hold transaction ids stand in another order in every run: here by what they say, with names in it.
pub(crate) fn ordered(value: Value) -> Value {
    match value {
        Value::Array(all) => {
            let records = all.iter().all(Value::is_array) || all.iter().all(Value::is_object);
            let mut all: Vec<Value> = all.into_iter().map(ordered).collect();
            if records {
                all.sort_by_key(Value::to_string);
            }
            Value::Array(all)
        }
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, ordered(value)));
            Value::Object(fields.collect())
        }
        other => other,
    }
}

/// A range that was asked for again from its last key on: of keys with transaction ids it is chance which is the last.
pub(crate) fn last_by_chance(mut set: Value) -> Value {
    let namespaces = set.as_object_mut().into_iter().flat_map(Map::values_mut);
    for range in namespaces
        .filter_map(|set| set["ranges"].as_array_mut())
        .flatten()
    {
        let start = range[0].as_str().unwrap_or_default();
        if let Some((before, named)) = start.split_once("<transaction ")
            && let Some((_, after)) = named.split_once('>')
        {
            range[0] = Value::String(format!("{before}<the last transaction>{after}"));
        }
    }
    set
}
