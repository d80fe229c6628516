//! Queries (Fabric's `evaluate.go`): the own organisation's peer first; another organisation's only when that one cannot run the
//! chaincode, and neither organisations nor transient data were given.

use super::{
    plan::{endorsers, sort as sort_peers},
    status::{Failure, detail, sort, with_details},
    unpack,
};
use crate::peer::{EndorserError, Peer};
use fabric_protos::{
    gateway::{EvaluateRequest, EvaluateResponse},
    protos::{ChaincodeAction, ProposalResponse, ProposalResponsePayload, Response},
};
use prost::Message;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use tonic::{Code, Status};

/// Asks one endorser, within the Gateway's time.
pub(super) async fn ask(
    peer: &Arc<Peer>,
    own: &Peer,
    proposal: &fabric_protos::protos::SignedProposal,
    limit: Duration,
) -> Result<ProposalResponse, Failure> {
    // On its own, so that the endorser goes on when the client goes away, as a peer would.
    let endorsement = {
        let (peer, proposal) = (Arc::clone(peer), proposal.clone());
        let local = peer.name == own.name;
        tokio::spawn(async move {
            if local {
                peer.process_own_proposal(&proposal).await
            } else {
                peer.process_proposal(&proposal).await
            }
        })
    };
    match timeout(limit, endorsement).await {
        Ok(Ok(answer)) => sort(answer, peer.name == own.name),
        Ok(Err(_)) => sort(Err(EndorserError::Stopped), false),
        Err(_) => Err(Failure {
            code: Code::Unavailable,
            message: "rpc error: code = DeadlineExceeded desc = context deadline exceeded".to_owned(),
            retry: true,
        }),
    }
}

pub(super) async fn evaluate(own: &Arc<Peer>, request: EvaluateRequest) -> Result<EvaluateResponse, Status> {
    let proposal = unpack(request.proposed_transaction.as_ref())?;
    let mut targets = request.target_organizations;
    let protected = proposal.has_transient && targets.is_empty();
    if protected {
        targets = vec![own.msp_id.clone()];
    }
    let mut by_organisation = endorsers(own, &proposal.chaincode);
    if !targets.is_empty() {
        by_organisation.retain(|msp_id, _| targets.contains(msp_id));
    }
    let mut peers = by_organisation.remove(&own.msp_id).unwrap_or_default();
    let mut others: Vec<Arc<Peer>> = by_organisation.into_values().flatten().collect();
    sort_peers(own, &mut others);
    peers.append(&mut others);
    if peers.is_empty() {
        let reason = format!(
            "no peers available to evaluate chaincode {} in channel {}",
            proposal.chaincode, proposal.channel_header.channel_id
        );
        return Err(Status::failed_precondition(if protected {
            format!(
                "no endorsers found in the gateway's organization; retry specifying target organization(s) to protect transient data: {reason}"
            )
        } else {
            reason
        }));
    }
    let mut details = Vec::new();
    let mut code = Code::Unavailable;
    for peer in peers {
        match ask(&peer, own, &proposal.signed, own.limits.endorsement_timeout).await {
            Ok(response) => {
                return Ok(EvaluateResponse {
                    result: Some(result(&response)),
                });
            }
            Err(failure) => {
                details.push(detail(&peer, &failure.message));
                code = failure.code;
                if !failure.retry {
                    let message = format!("evaluate call to endorser returned error: {}", failure.message);
                    return Err(with_details(code, message, &details));
                }
            }
        }
    }
    let message = "failed to evaluate transaction, see attached details for more info".to_owned();
    Err(with_details(code, message, &details))
}

/// The chaincode's response; its payload as it was endorsed.
fn result(response: &ProposalResponse) -> Response {
    let endorsed = ProposalResponsePayload::decode(response.payload.as_slice())
        .and_then(|payload| ChaincodeAction::decode(payload.extension.as_slice()))
        .ok()
        .and_then(|action| action.response);
    let mut result = response.response.clone().unwrap_or_default();
    if let Some(endorsed) = endorsed {
        result.payload = endorsed.payload;
    }
    result
}
