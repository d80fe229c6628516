//! Asking the connected peer itself, past its Gateway, as the `peer chaincode` command does. A Gateway asks peers that have a chaincode
//! installed; a peer in development mode need not have.

use super::{Call, Client, ClientError, Committed, EndorsedTransaction, SignedCall};
use crate::transaction::{UnpackedProposal, assemble};
use fabric_protos::protos::ProposalResponse;

impl Client {
    /// Runs a query on the connected peer.
    ///
    /// # Errors
    /// When the peer is not reached, or it or the chaincode refuses ([`ClientError::NotEndorsed`]).
    pub async fn evaluate_at_peer(&self, call: &Call) -> Result<Vec<u8>, ClientError> {
        let answer = self.process(&self.sign(call)?).await?;
        Ok(answer.response.unwrap_or_default().payload)
    }

    /// Has the connected peer alone endorse, submits and waits. The transaction is valid when this succeeds.
    ///
    /// # Errors
    /// As [`Client::evaluate_at_peer`] and [`Client::submit_call`].
    pub async fn submit_at_peer(&self, call: &Call) -> Result<Committed, ClientError> {
        let signed = self.sign(call)?;
        let answer = self.process(&signed).await?;
        let malformed = |what| ClientError::Malformed { what, source: None };
        let proposal = UnpackedProposal::unpack(&signed.proposal).map_err(|_| malformed("proposal"))?;
        let endorsement = answer.endorsement.ok_or_else(|| malformed("endorsement"))?;
        let mut envelope = assemble(&proposal, answer.payload, vec![endorsement]);
        envelope.signature = self.identity.sign(&envelope.payload);
        let transaction = EndorsedTransaction {
            tx_id: signed.tx_id,
            result: answer.response.unwrap_or_default().payload,
            envelope,
        };
        self.submit_and_wait(transaction).await
    }

    async fn process(&self, signed: &SignedCall) -> Result<ProposalResponse, ClientError> {
        let answer = self
            .endorser
            .clone()
            .process_proposal(signed.proposal.clone())
            .await;
        let answer = answer
            .map_err(|status| ClientError::rpc("process proposal", &signed.tx_id, &status))?
            .into_inner();
        match &answer.response {
            Some(response) if response.status < 400 => Ok(answer),
            response => {
                let (status, message) = response.as_ref().map_or((0, String::new()), |response| {
                    (response.status, response.message.clone())
                });
                Err(ClientError::NotEndorsed {
                    tx_id: signed.tx_id.clone(),
                    status,
                    message,
                })
            }
        }
    }
}
