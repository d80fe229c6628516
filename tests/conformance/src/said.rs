//! What a chaincode said, in a form that can be compared.

use std::collections::BTreeMap;
use std::fmt;

use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::write_record::Type as Write;
use fabric_protos::protos::{ChaincodeMessage, QueryStateClose, QueryStateNext, WriteBatchState};
use prost::Message;

use crate::Side;

/// A message of the chaincode, or several batches of writes in a row.
#[derive(Clone, PartialEq)]
pub struct Said {
    message: ChaincodeMessage,
    /// How many batches these are.
    batches: usize,
    /// Which of the transaction's queries it is about; the peer names them at random.
    query: Option<usize>,
    /// What the batches write: of each key the last value and the last policy, as Go's shim sends it in random order. Ours sends all writes in
    /// the order of the calls, which its own tests show.
    writes: BTreeMap<(String, String, bool), Vec<u8>>,
}

/// The chaincode's messages among these.
pub fn said(messages: &[(Side, ChaincodeMessage)]) -> Vec<Said> {
    let mut all: Vec<Said> = Vec::new();
    let mut queries = Vec::new();
    for (_, message) in messages.iter().filter(|(from, _)| *from == Side::Chaincode) {
        let mut said = Said {
            message: message.clone(),
            batches: 0,
            query: None,
            writes: BTreeMap::new(),
        };
        let payload = message.payload.as_slice();
        match message.r#type() {
            Type::WriteBatchState => {
                said.message.payload.clear();
                if all.last().is_some_and(|last| last.batches > 0) {
                    said = all.pop().unwrap_or(said);
                }
                said.batches += 1;
                for record in WriteBatchState::decode(payload).unwrap_or_default().rec {
                    let is_policy = record.r#type() == Write::PutStateMetadata;
                    let key = (record.collection.clone(), record.key.clone(), is_policy);
                    said.writes.insert(key, record.encode_to_vec());
                }
            }
            Type::QueryStateNext => {
                let id = QueryStateNext::decode(payload).unwrap_or_default().id;
                said.about(&mut queries, id);
            }
            Type::QueryStateClose => {
                let id = QueryStateClose::decode(payload).unwrap_or_default().id;
                said.about(&mut queries, id);
            }
            _ => {}
        }
        all.push(said);
    }
    all
}

impl Said {
    fn about(&mut self, queries: &mut Vec<String>, id: String) {
        let known = queries.iter().position(|query| *query == id);
        self.query = Some(known.unwrap_or(queries.len()));
        if known.is_none() {
            queries.push(id);
        }
        self.message.payload.clear();
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = String::from_utf8_lossy(&self.message.payload);
        write!(f, "{} {payload:?}", self.message.r#type().as_str_name())?;
        if let Some(query) = self.query {
            write!(f, " of query {query}")?;
        }
        if self.batches > 0 {
            write!(f, " in {} batches:", self.batches)?;
            for record in self.writes.values() {
                write!(f, " {:?}", String::from_utf8_lossy(record))?;
            }
        }
        if let Some(event) = &self.message.chaincode_event {
            write!(f, " {event:?}")?;
        }
        Ok(())
    }
}
