//! What a network did, in a form that depends on nothing but the script: no ids, addresses, times or absolute block numbers.

use devnet::client::{ClientError, EndorsedTransaction};
use fabric_protos::{
    common::Payload,
    kvrwset::{
        HashedRwSet, KvMetadataEntry, KvRead, KvrwSet, RangeQueryInfo, Version, range_query_info::ReadsInfo,
    },
    msp::SerializedIdentity,
    protos::{ChaincodeAction, ChaincodeActionPayload, ProposalResponsePayload, Transaction},
    rwset::{NsReadWriteSet, TxReadWriteSet},
};
use prost::Message;
use serde_json::{Value, json};

/// An answer's bytes: JSON, or text, or digits.
pub(crate) fn answer(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| text(bytes))
}

/// As text if they are text.
fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(|c| !c.is_control()) => json!(text),
        _ => json!(format!("0x{}", hex::encode(bytes))),
    }
}

/// A refusal, as its client sees it.
pub(crate) fn refusal(error: &ClientError) -> Value {
    let ClientError::Rpc {
        code,
        message,
        details,
        ..
    } = error
    else {
        return json!({ "error": plain(&error.to_string()) });
    };
    let mut details: Vec<Value> = details
        .iter()
        .map(|detail| {
            // Of endorsements that do not match, whose comes first is the one that the others are compared with.
            let chance = detail.message == "ProposalResponsePayloads do not match";
            let whose = if chance { "somebody" } else { &detail.msp_id };
            json!([whose, plain(&detail.message)])
        })
        .collect();
    details.sort_by_key(Value::to_string);
    json!({ "code": format!("{code:?}"), "message": plain(message), "details": details })
}

/// A message without what differs from network to network: long hexadecimal digits, ports and peers' names, clock times.
pub(crate) fn plain(message: &str) -> String {
    // What a decoder says of bytes that it cannot read is its own.
    if let Some((before, _)) = message.split_once("error unmarshalling Proposal: ") {
        return format!("{before}error unmarshalling Proposal: <why>");
    }
    let mut plain = String::new();
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let digits = rest.chars().take_while(char::is_ascii_hexdigit).count();
        if let Some(after) = rest.strip_prefix("BlockNum: ") {
            plain.push_str("BlockNum: <number>");
            rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        } else if digits >= 32 {
            plain.push_str("<hex>");
            rest = &rest[digits..];
        } else if let Some(after) = rest
            .strip_prefix("seconds:")
            .or_else(|| rest.strip_prefix("nanos:"))
        {
            plain.push_str("<time>");
            rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        } else if digits > 0 {
            plain.push_str(&rest[..digits]);
            rest = &rest[digits..];
        } else {
            plain.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    let words: Vec<String> = plain
        .split(' ')
        .map(|word| {
            let (host, after) = word.split_once(':').unwrap_or((word, ""));
            let port: String = after.chars().take_while(char::is_ascii_digit).collect();
            let is_host = host.ends_with(".example.com") || host == "127.0.0.1";
            if is_host && !port.is_empty() {
                format!("<peer>{}", &after[port.len()..])
            } else {
                word.to_owned()
            }
        })
        .collect();
    words.join(" ")
}

/// What was endorsed, and by whom.
pub(crate) fn endorsement(transaction: &EndorsedTransaction, base: u64) -> Value {
    let payload = Payload::decode(transaction.envelope.payload.as_slice()).unwrap();
    let actions = Transaction::decode(payload.data.as_slice()).unwrap().actions;
    let payload = ChaincodeActionPayload::decode(actions[0].payload.as_slice()).unwrap();
    let endorsed = payload.action.unwrap();
    let mut endorsers: Vec<String> = endorsed
        .endorsements
        .iter()
        .map(|endorsement| {
            let endorser = SerializedIdentity::decode(endorsement.endorser.as_slice()).unwrap();
            endorser.mspid
        })
        .collect();
    endorsers.sort();
    let response = ProposalResponsePayload::decode(endorsed.proposal_response_payload.as_slice()).unwrap();
    let action = ChaincodeAction::decode(response.extension.as_slice()).unwrap();
    let set = TxReadWriteSet::decode(action.results.as_slice()).unwrap();
    let namespaces: serde_json::Map<String, Value> = set
        .ns_rwset
        .iter()
        .map(|set| (set.namespace.clone(), namespace(set, base)))
        .collect();
    let answered = action.response.unwrap();
    json!({
        "by": endorsers,
        "status": answered.status,
        "result": answer(&answered.payload),
        "event": !action.events.is_empty(),
        "set": namespaces,
    })
}

fn version(version: Option<&Version>, base: u64) -> Value {
    version.map_or(Value::Null, |version| {
        // Counted from the script's first block; what was there before it is older.
        match version.block_num.checked_sub(base) {
            Some(block) => json!([block, version.tx_num]),
            None => json!("before"),
        }
    })
}

fn namespace(set: &NsReadWriteSet, base: u64) -> Value {
    let public = KvrwSet::decode(set.rwset.as_slice()).unwrap();
    let writes: Vec<Value> = public
        .writes
        .iter()
        .map(|write| {
            if write.is_delete {
                json!([write.key, null])
            } else {
                json!([write.key, text(&write.value)])
            }
        })
        .collect();
    let collections: serde_json::Map<String, Value> = set
        .collection_hashed_rwset
        .iter()
        .map(|collection| {
            let set = HashedRwSet::decode(collection.hashed_rwset.as_slice()).unwrap();
            let mut shown = hashed(&set, base);
            shown["hashed"] = json!(!collection.pvt_rwset_hash.is_empty());
            (collection.collection_name.clone(), shown)
        })
        .collect();
    json!({
        "reads": public.reads.iter().map(|one| read(one, base)).collect::<Vec<_>>(),
        "ranges": public.range_queries_info.iter().map(|one| range(one, base)).collect::<Vec<_>>(),
        "writes": shortened(writes),
        "metadata": public.metadata_writes.iter().map(|one| json!([one.key, metadata(&one.entries)])).collect::<Vec<_>>(),
        "collections": collections,
    })
}

/// Hundreds of equal writes say no more than their number.
fn shortened(mut writes: Vec<Value>) -> Value {
    if writes.len() <= 20 {
        return Value::Array(writes);
    }
    let count = writes.len();
    writes.truncate(3);
    json!({ "count": count, "first": writes })
}

fn read(read: &KvRead, base: u64) -> Value {
    json!([read.key, version(read.version.as_ref(), base)])
}

fn range(range: &RangeQueryInfo, base: u64) -> Value {
    let reads = match &range.reads_info {
        None => Value::Null,
        Some(ReadsInfo::RawReads(reads)) => reads.kv_reads.iter().map(|one| read(one, base)).collect(),
        // The hashes are over versions with absolute block numbers.
        Some(ReadsInfo::ReadsMerkleHashes(summary)) => {
            json!([
                summary.max_degree,
                summary.max_level,
                summary.max_level_hashes.len()
            ])
        }
    };
    json!([range.start_key, range.end_key, range.itr_exhausted, reads])
}

fn hashed(set: &HashedRwSet, base: u64) -> Value {
    let reads: Vec<Value> = set
        .hashed_reads
        .iter()
        .map(|read| json!([hex::encode(&read.key_hash), version(read.version.as_ref(), base)]))
        .collect();
    let writes: Vec<Value> = set
        .hashed_writes
        .iter()
        .map(|write| {
            let value = hex::encode(&write.value_hash);
            json!([
                hex::encode(&write.key_hash),
                value,
                write.is_delete,
                write.is_purge
            ])
        })
        .collect();
    let metadata: Vec<Value> = set
        .metadata_writes
        .iter()
        .map(|write| json!([hex::encode(&write.key_hash), metadata(&write.entries)]))
        .collect();
    json!({ "reads": reads, "writes": writes, "metadata": metadata })
}

fn metadata(entries: &[KvMetadataEntry]) -> Value {
    entries
        .iter()
        .map(|entry| json!([entry.name, hex::encode(&entry.value)]))
        .collect()
}
