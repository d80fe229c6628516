//! Our messages against Fabric's: every name, number, label and type, both ways.
//!
//! `published.tsv` lists what Fabric publishes of each message, enum and service that we carry (its head says where it is
//! from). A row that only one side has is a failure: nothing of ours may be unpublished, nothing may be missing.

use std::collections::BTreeSet;

use fabric_protos::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};

#[test]
fn every_descriptor_is_the_published_one() {
    let published: BTreeSet<String> = include_str!("published.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let ours = rows(&FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap());
    assert!(
        published.len() > 400,
        "the table has only {} rows",
        published.len()
    );

    let unpublished: Vec<_> = ours.difference(&published).collect();
    let missing: Vec<_> = published.difference(&ours).collect();
    assert!(
        unpublished.is_empty() && missing.is_empty(),
        "unpublished: {unpublished:#?}\nmissing: {missing:#?}"
    );
}

fn rows(files: &FileDescriptorSet) -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for file in &files.file {
        let package = file.package();
        // Not Fabric's: protobuf's own types, and the sidecar's services.
        if package.starts_with("google.") || package.starts_with("ipo.") {
            continue;
        }
        for message in &file.message_type {
            message_rows(package, message, &mut rows);
        }
        for enumeration in &file.enum_type {
            enum_rows(package, enumeration, &mut rows);
        }
        for service in &file.service {
            service_rows(package, service, &mut rows);
        }
    }
    rows
}

fn message_rows(scope: &str, message: &DescriptorProto, rows: &mut BTreeSet<String>) {
    let name = format!("{scope}.{}", message.name());
    rows.insert(format!("message\t{name}"));
    for field in &message.field {
        let label = match field.label() {
            Label::Optional => "optional",
            Label::Repeated => "repeated",
            Label::Required => "required",
        };
        let of_type = match field.r#type() {
            Type::Message | Type::Enum => field.type_name().trim_start_matches('.').to_owned(),
            scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
        };
        let oneof = field
            .oneof_index
            .map_or("", |index| message.oneof_decl[index as usize].name());
        let row = format!(
            "field\t{name}\t{}\t{}\t{label}\t{of_type}\t{oneof}",
            field.name(),
            field.number()
        );
        rows.insert(row.trim_end().to_owned());
    }
    for enumeration in &message.enum_type {
        enum_rows(&name, enumeration, rows);
    }
    for nested in &message.nested_type {
        message_rows(&name, nested, rows);
    }
}

fn enum_rows(scope: &str, enumeration: &EnumDescriptorProto, rows: &mut BTreeSet<String>) {
    let name = format!("{scope}.{}", enumeration.name());
    rows.insert(format!("enum\t{name}"));
    for value in &enumeration.value {
        rows.insert(format!("value\t{name}\t{}\t{}", value.name(), value.number()));
    }
}

fn service_rows(scope: &str, service: &ServiceDescriptorProto, rows: &mut BTreeSet<String>) {
    let name = format!("{scope}.{}", service.name());
    rows.insert(format!("service\t{name}"));
    for method in &service.method {
        let request = streamed(method.client_streaming(), method.input_type());
        let response = streamed(method.server_streaming(), method.output_type());
        rows.insert(format!(
            "method\t{name}\t{}\t{request}\t{response}",
            method.name()
        ));
    }
}

fn streamed(streaming: bool, of_type: &str) -> String {
    let prefix = if streaming { "stream " } else { "" };
    format!("{prefix}{}", of_type.trim_start_matches('.'))
}
