//! What a client asks of a chaincode.

use fabric_protos::protos::{
    ChaincodeId, ChaincodeInput, ChaincodeInvocationSpec, ChaincodeProposalPayload, ChaincodeSpec,
    chaincode_spec,
};
use prost::Message;
use std::{collections::BTreeMap, fmt};

/// A call of a chaincode function. Prints neither arguments nor transient data.
#[derive(Clone)]
pub struct Call {
    pub(super) chaincode: String,
    /// None: the call has no arguments at all.
    pub(super) function: Option<String>,
    pub(super) arguments: Vec<Vec<u8>>,
    pub(super) transient: BTreeMap<String, Vec<u8>>,
    pub(super) organisations: Vec<String>,
    pub(super) timestamp: Option<prost_types::Timestamp>,
    pub(super) is_init: bool,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("chaincode", &self.chaincode)
            .field("function", &self.function)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// A call without arguments; the function may be `Contract:Function`.
    pub fn new(chaincode: &str, function: &str) -> Self {
        Self {
            function: Some(function.to_owned()),
            ..Self::without_function(chaincode)
        }
    }

    /// A call that names no function and has no arguments.
    pub fn without_function(chaincode: &str) -> Self {
        Self {
            chaincode: chaincode.to_owned(),
            function: None,
            arguments: Vec::new(),
            transient: BTreeMap::new(),
            organisations: Vec::new(),
            timestamp: None,
            is_init: false,
        }
    }

    /// Makes it the chaincode's initialisation (`--isInit`).
    #[must_use]
    pub fn as_init(mut self) -> Self {
        self.is_init = true;
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<[u8]>) -> Self {
        self.arguments.push(argument.as_ref().to_vec());
        self
    }

    /// Adds transient data: it reaches the endorsers and no block.
    #[must_use]
    pub fn transient(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.transient.insert(name.to_owned(), value.as_ref().to_vec());
        self
    }

    /// Names the organisations that endorse, or evaluate; named ones are asked all at once and nobody else.
    #[must_use]
    pub fn organisations(mut self, msp_ids: &[&str]) -> Self {
        self.organisations = msp_ids.iter().map(|&msp_id| msp_id.to_owned()).collect();
        self
    }

    /// Sets the proposal's timestamp, in seconds since the Unix epoch, in place of the client's clock.
    #[must_use]
    pub fn timestamp(mut self, seconds: i64) -> Self {
        self.timestamp = Some(prost_types::Timestamp { seconds, nanos: 0 });
        self
    }

    pub(super) fn payload(&self) -> ChaincodeProposalPayload {
        let function = self
            .function
            .as_ref()
            .map(|function| function.as_bytes().to_vec());
        let args = function.into_iter().chain(self.arguments.iter().cloned());
        let spec = ChaincodeSpec {
            r#type: chaincode_spec::Type::Undefined.into(),
            chaincode_id: Some(ChaincodeId {
                name: self.chaincode.clone(),
                ..ChaincodeId::default()
            }),
            input: Some(ChaincodeInput {
                args: args.collect(),
                is_init: self.is_init,
                ..ChaincodeInput::default()
            }),
            ..ChaincodeSpec::default()
        };
        let invocation = ChaincodeInvocationSpec {
            chaincode_spec: Some(spec),
        };
        ChaincodeProposalPayload {
            input: invocation.encode_to_vec(),
            transient_map: self.transient.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_no_arguments_and_no_transient_data() {
        let call = Call::new("cc", "Put").arg("secret").transient("order", "secret");
        assert!(!format!("{call:?}").contains("secret"));
    }
}
