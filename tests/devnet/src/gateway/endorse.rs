//! Endorsements (Fabric's `endorse.go`): of the organisations named, all at once; with none named, of the own peer first, then of
//! whomever the read-write set's policies ask for.

use super::{
    evaluate::ask,
    plan::Plan,
    status::{detail, with_details},
    unpack,
};
use crate::{
    channel::Definitions,
    peer::Peer,
    transaction::{UnpackedProposal, assemble},
};
use fabric_protos::{
    gateway::{EndorseRequest, EndorseResponse},
    protos::{ChaincodeCall, ChaincodeInterest},
};
use futures_util::future::join_all;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tonic::{Code, Status};

pub(super) async fn endorse(
    own: &Arc<Peer>,
    definitions: &Definitions,
    request: EndorseRequest,
) -> Result<EndorseResponse, Status> {
    let proposal = unpack(request.proposed_transaction.as_ref())?;
    let plan = if request.endorsing_organizations.is_empty() {
        plan_from_first_endorser(own, definitions, &proposal).await?
    } else {
        Plan::for_organisations(own, &proposal.chaincode, &request.endorsing_organizations)
            .map_err(Status::unavailable)?
    };
    let plan = collect(own, &proposal, plan).await;
    let (payload, endorsements) = plan.finish().map_err(|details| {
        let message = "failed to collect enough transaction endorsements, see attached details for more info";
        with_details(Code::Aborted, message.to_owned(), &details)
    })?;
    Ok(EndorseResponse {
        prepared_transaction: Some(assemble(&proposal, payload, endorsements)),
    })
}

/// Asks until a layout is complete or none is left.
async fn collect(own: &Arc<Peer>, proposal: &UnpackedProposal, plan: Plan) -> Plan {
    let plan = Mutex::new(plan);
    loop {
        let endorsers = {
            let mut plan = lock(&plan);
            if plan.is_complete() {
                None
            } else {
                plan.next_endorsers()
            }
        };
        let Some(endorsers) = endorsers else { break };
        let failed = join_all(
            endorsers
                .into_iter()
                .map(|peer| collect_one(own, proposal, &plan, peer)),
        )
        .await;
        let failed: BTreeSet<String> = failed.into_iter().flatten().collect();
        lock(&plan).abandon(&failed);
    }
    plan.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn lock(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks a peer, and others of its organisation while they fail. Some: the organisation, when none is left.
async fn collect_one(
    own: &Arc<Peer>,
    proposal: &UnpackedProposal,
    plan: &Mutex<Plan>,
    mut peer: Arc<Peer>,
) -> Option<String> {
    loop {
        let answer = ask(&peer, own, &proposal.signed, own.limits.endorsement_timeout).await;
        let mut plan = lock(plan);
        match answer {
            Ok(response) => {
                if plan.accept(&peer, &response) {
                    return None;
                }
            }
            Err(failure) => plan.add_error(detail(&peer, &failure.message)),
        }
        match plan.substitute(&peer) {
            Some(next) => peer = next,
            None => return Some(peer.msp_id.clone()),
        }
    }
}

async fn plan_from_first_endorser(
    own: &Arc<Peer>,
    definitions: &Definitions,
    proposal: &UnpackedProposal,
) -> Result<Plan, Status> {
    let chaincode = &proposal.chaincode;
    let default_interest = ChaincodeInterest {
        chaincodes: vec![ChaincodeCall {
            name: chaincode.clone(),
            ..ChaincodeCall::default()
        }],
    };
    let mut plan = match Plan::for_organisations(own, chaincode, std::slice::from_ref(&own.msp_id)) {
        Ok(plan) => plan,
        Err(_) if proposal.has_transient => {
            return Err(Status::failed_precondition(
                "no endorsers found in the gateway's organization; retry specifying endorsing organization(s) to protect transient data",
            ));
        }
        Err(_) => Plan::for_interest(own, definitions, &default_interest, None)
            .map_err(Status::failed_precondition)?,
    };
    let mut details = Vec::new();
    let mut next = plan.first_endorser();
    let (first, response) = loop {
        let Some(peer) = next else {
            let message = "failed to endorse transaction, see attached details for more info";
            return Err(with_details(Code::Aborted, message.to_owned(), &details));
        };
        match ask(&peer, own, &proposal.signed, own.limits.endorsement_timeout).await {
            Ok(response) => break (peer, response),
            Err(failure) => {
                details.push(detail(&peer, &failure.message));
                next = plan.substitute(&peer);
            }
        }
    };
    let named = response
        .interest
        .clone()
        .filter(|interest| !interest.chaincodes.is_empty());
    let original = named.unwrap_or(default_interest);
    let mut interest = original.clone();
    let mut protected = Vec::new();
    if proposal.has_transient {
        // Transient data goes to members of the collections alone, whatever was read.
        for call in interest
            .chaincodes
            .iter_mut()
            .filter(|call| call.no_private_reads)
        {
            call.no_private_reads = false;
            protected.extend(call.collection_names.iter().cloned());
        }
    }
    let preferred = Some(first.msp_id.as_str());
    let mut plan = Plan::for_interest(own, definitions, &interest, preferred).map_err(|reason| {
        let cautious = !protected.is_empty()
            && Plan::for_interest(own, definitions, &original, preferred).is_ok();
        Status::failed_precondition(if cautious {
            format!(
                "requires endorsement from organisation(s) that are not in the distribution policy of the private data collection(s): [{}]; retry specifying trusted endorsing organizations to protect transient data",
                protected.join(" ")
            )
        } else {
            reason
        })
    })?;
    plan.accept(&first, &response);
    Ok(plan)
}
