//! What is logged, by the names that Fabric's chaincode reads.

/// The filter directive for `tracing`'s `EnvFilter`: `RUST_LOG` if it is set, else the level of `CORE_CHAINCODE_LOGGING_LEVEL` (Fabric's
/// names, whatever their case: `CRITICAL`, `ERROR`, `WARNING`, `NOTICE`, `INFO`, `DEBUG`), else `info`.
pub fn log_filter(lookup: impl Fn(&str) -> Option<String>) -> String {
    let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
    if let Some(directives) = get("RUST_LOG") {
        return directives;
    }
    let level = get("CORE_CHAINCODE_LOGGING_LEVEL").map(|level| level.to_lowercase());
    match level.as_deref() {
        Some("critical" | "error") => "error",
        Some("warning" | "warn") => "warn",
        Some("debug") => "debug",
        Some("trace") => "trace",
        // An unknown level is no reason not to serve; Fabric's shims take the default as well.
        _ => "info",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fabrics_levels_count_unless_rust_log_is_set() {
        let with = |variables: &[(&str, &str)]| {
            log_filter(|name| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(with(&[]), "info");
        for (level, filter) in [
            ("CRITICAL", "error"),
            ("Error", "error"),
            ("WARNING", "warn"),
            ("NOTICE", "info"),
            ("debug", "debug"),
            ("loud", "info"),
        ] {
            assert_eq!(with(&[("CORE_CHAINCODE_LOGGING_LEVEL", level)]), filter);
        }
        let both = [
            ("CORE_CHAINCODE_LOGGING_LEVEL", "DEBUG"),
            ("RUST_LOG", "warn,h2=trace"),
        ];
        assert_eq!(with(&both), "warn,h2=trace");
    }
}
