//! Whom to ask for an endorsement (Fabric's `registry.go`, `endorsement.go`, `discovery/endorsement`): layouts, each a set of
//! organisations with the number of peers needed of each, tried in order until one is complete.

use super::status::detail;
use crate::{
    channel::Definitions,
    peer::Peer,
    policy::{Role, SignaturePolicy, layout},
};
use fabric_protos::{
    gateway::ErrorDetail,
    protos::{ChaincodeInterest, Endorsement, ProposalResponse},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How many peers of each organisation.
type Layout = BTreeMap<String, usize>;

struct Candidate {
    required: Layout,
    endorsements: Vec<Endorsement>,
    abandoned: bool,
}

/// An endorsement plan under way.
pub(super) struct Plan {
    candidates: Vec<Candidate>,
    next: usize,
    /// Peers not asked yet, by organisation, in the order in which to ask them.
    available: BTreeMap<String, Vec<Arc<Peer>>>,
    response_payload: Option<Vec<u8>>,
    completed: Option<usize>,
    errors: Vec<ErrorDetail>,
}

/// Running peers with the chaincode, by organisation; highest first, the Gateway's own before its equals.
pub(super) fn endorsers(own: &Peer, chaincode: &str) -> BTreeMap<String, Vec<Arc<Peer>>> {
    let mut by_organisation = running(own);
    keep_installed(&mut by_organisation, chaincode);
    by_organisation
}

fn running(own: &Peer) -> BTreeMap<String, Vec<Arc<Peer>>> {
    let mut by_organisation: BTreeMap<String, Vec<Arc<Peer>>> = BTreeMap::new();
    for peer in own.peers().into_iter().filter(|peer| peer.is_running()) {
        by_organisation.entry(peer.msp_id.clone()).or_default().push(peer);
    }
    for peers in by_organisation.values_mut() {
        sort(own, peers);
    }
    by_organisation
}

fn keep_installed(peers: &mut BTreeMap<String, Vec<Arc<Peer>>>, chaincode: &str) {
    peers.retain(|_, peers| {
        peers.retain(|peer| peer.has_installed(chaincode));
        !peers.is_empty()
    });
}

/// Leaves the layouts for which there are peers enough.
fn keep_satisfiable(layouts: &mut Vec<Layout>, peers: &BTreeMap<String, Vec<Arc<Peer>>>) {
    layouts.retain(|layout| {
        layout
            .iter()
            .all(|(msp_id, count)| peers.get(msp_id).map_or(0, Vec::len) >= *count)
    });
}

pub(super) fn sort(own: &Peer, peers: &mut [Arc<Peer>]) {
    peers.sort_by(|a, b| {
        let away = |peer: &Peer| peer.name != own.name;
        b.height()
            .cmp(&a.height())
            .then(away(a).cmp(&away(b)))
            .then(a.name.cmp(&b.name))
    });
}

impl Plan {
    fn new(layouts: Vec<Layout>, available: BTreeMap<String, Vec<Arc<Peer>>>) -> Self {
        let candidates = layouts
            .into_iter()
            .map(|required| Candidate {
                required,
                endorsements: Vec::new(),
                abandoned: false,
            })
            .collect();
        Self {
            candidates,
            next: 0,
            available,
            response_payload: None,
            completed: None,
            errors: Vec::new(),
        }
    }

    /// One peer of each of the organisations.
    pub(super) fn for_organisations(
        own: &Peer,
        chaincode: &str,
        organisations: &[String],
    ) -> Result<Self, String> {
        let available = endorsers(own, chaincode);
        let missing: Vec<&str> = organisations
            .iter()
            .filter(|org| !available.contains_key(*org))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(format!(
                "failed to find any endorsing peers for org(s): {missing}"
            ));
        }
        let layout = organisations
            .iter()
            .map(|organisation| (organisation.clone(), 1))
            .collect();
        Ok(Self::new(vec![layout], available))
    }

    /// Every way to satisfy the policies that a simulation's interest names. Layouts with the preferred organisation come first.
    pub(super) fn for_interest(
        own: &Peer,
        definitions: &Definitions,
        interest: &ChaincodeInterest,
        preferred: Option<&str>,
    ) -> Result<Self, String> {
        let prefix = "no combination of peers can be derived which satisfy the endorsement policy";
        let mut available = running(own);
        let mut policies: Vec<SignaturePolicy> = Vec::new();
        for call in &interest.chaincodes {
            let chaincode = definitions.get(&call.name).ok_or_else(|| {
                format!(
                    "{prefix}: No metadata was found for chaincode {} in channel {}",
                    call.name, own.channel
                )
            })?;
            for policy in &call.key_policies {
                let policy =
                    SignaturePolicy::from_envelope(policy).map_err(|error| format!("{prefix}: {error}"))?;
                policies.push(policy);
            }
            if call.collection_names.is_empty() && !call.disregard_namespace_policy {
                policies.push(chaincode.policy.clone());
            }
            for name in &call.collection_names {
                let collection = chaincode.collection(name).ok_or_else(|| {
                    let chaincode = &call.name;
                    format!("{prefix}: collection {name} doesn't exist in collection config for chaincode {chaincode}")
                })?;
                policies.extend(chaincode.collection_policy(name).cloned());
                if !call.no_private_reads {
                    available.retain(|msp_id, _| collection.is_member(msp_id));
                }
            }
        }
        let mut layouts = layouts(&policies);
        keep_satisfiable(&mut layouts, &available);
        if layouts.is_empty() {
            return Err(format!(
                "{prefix}: no peer combination can satisfy the endorsement policy"
            ));
        }
        for call in &interest.chaincodes {
            keep_installed(&mut available, &call.name);
        }
        keep_satisfiable(&mut layouts, &available);
        if layouts.is_empty() {
            return Err(format!(
                "{prefix}: required chaincodes are not installed on sufficient peers"
            ));
        }
        let preferred = |layout: &Layout| preferred.is_some_and(|msp_id| layout.contains_key(msp_id));
        layouts.sort_by_key(|layout| !preferred(layout));
        Ok(Self::new(layouts, available))
    }

    pub(super) fn first_endorser(&mut self) -> Option<Arc<Peer>> {
        self.next_endorsers()?.into_iter().next()
    }

    /// The peers to ask next; none when no layout is left.
    pub(super) fn next_endorsers(&mut self) -> Option<Vec<Arc<Peer>>> {
        loop {
            let candidate = self.candidates.get_mut(self.next)?;
            let enough = candidate
                .required
                .iter()
                .all(|(msp_id, count)| self.available.get(msp_id).map_or(0, Vec::len) >= *count);
            if candidate.abandoned || !enough {
                candidate.abandoned = true;
                self.next += 1;
                continue;
            }
            let mut chosen = Vec::new();
            for (msp_id, count) in &candidate.required {
                if let Some(peers) = self.available.get_mut(msp_id) {
                    chosen.extend(peers.drain(..*count));
                }
            }
            return Some(chosen);
        }
    }

    /// Another peer of the same organisation.
    pub(super) fn substitute(&mut self, failed: &Peer) -> Option<Arc<Peer>> {
        let peers = self
            .available
            .get_mut(&failed.msp_id)
            .filter(|peers| !peers.is_empty())?;
        Some(peers.remove(0))
    }

    /// Takes an endorsement; false when it is of something else than the others endorsed.
    pub(super) fn accept(&mut self, endorser: &Peer, response: &ProposalResponse) -> bool {
        if let Some(peers) = self.available.get_mut(&endorser.msp_id) {
            peers.retain(|peer| peer.name != endorser.name);
        }
        match &self.response_payload {
            Some(payload) if *payload != response.payload => {
                tracing::warn!(
                    endorser = endorser.name,
                    difference = difference(payload, &response.payload),
                    "ProposalResponsePayloads do not match"
                );
                self.errors
                    .push(detail(endorser, "ProposalResponsePayloads do not match"));
                return false;
            }
            Some(_) => {}
            None => self.response_payload = Some(response.payload.clone()),
        }
        for (index, candidate) in self.candidates.iter_mut().enumerate().skip(self.next) {
            let Some(count) = candidate.required.get_mut(&endorser.msp_id) else {
                continue;
            };
            if candidate.abandoned {
                continue;
            }
            *count -= 1;
            candidate.endorsements.extend(response.endorsement.clone());
            if *count == 0 {
                candidate.required.remove(&endorser.msp_id);
            }
            if candidate.required.is_empty() {
                self.completed = Some(index);
                break;
            }
        }
        true
    }

    pub(super) fn add_error(&mut self, error: ErrorDetail) {
        self.errors.push(error);
    }

    /// Gives up the layouts that need an organisation that has no peer left to ask.
    pub(super) fn abandon(&mut self, organisations: &BTreeSet<String>) {
        for candidate in self.candidates.iter_mut().skip(self.next) {
            if candidate
                .required
                .keys()
                .any(|msp_id| organisations.contains(msp_id))
            {
                candidate.abandoned = true;
            }
        }
        self.next += 1;
    }

    pub(super) fn is_complete(&self) -> bool {
        self.completed.is_some()
    }

    /// What was endorsed and by whom, each endorser once; or what went wrong.
    pub(super) fn finish(mut self) -> Result<(Vec<u8>, Vec<Endorsement>), Vec<ErrorDetail>> {
        let completed = self.completed.and_then(|index| self.candidates.get_mut(index));
        match (completed, self.response_payload) {
            (Some(candidate), Some(payload)) => {
                let mut seen = BTreeSet::new();
                let mut endorsements = std::mem::take(&mut candidate.endorsements);
                endorsements.retain(|endorsement| seen.insert(endorsement.endorser.clone()));
                Ok((payload, endorsements))
            }
            _ => Err(self.errors),
        }
    }
}

/// The layouts that satisfy all policies. Only peers endorse, so roles that a peer cannot have are dropped, and what is left is
/// counted by organisation.
fn layouts(policies: &[SignaturePolicy]) -> Vec<Layout> {
    let policies: Vec<&SignaturePolicy> = policies.iter().collect();
    let mut layouts: Vec<Layout> = layout::satisfying_all(&policies)
        .into_iter()
        .filter(|layout| layout.keys().all(|p| matches!(p.role, Role::Peer | Role::Member)))
        .map(|layout| {
            let mut by_organisation = Layout::new();
            for (principal, count) in layout {
                *by_organisation.entry(principal.msp_id).or_insert(0) += count;
            }
            by_organisation
        })
        .collect();
    layouts.sort();
    layouts.dedup();
    layouts
}

/// In which namespaces and fields two responses differ, without values.
fn difference(one: &[u8], other: &[u8]) -> String {
    use crate::ledger::ReadWriteSet;
    use fabric_protos::protos::{ChaincodeAction, ProposalResponsePayload};
    use prost::Message;
    let action = |payload: &[u8]| {
        let payload = ProposalResponsePayload::decode(payload).ok()?;
        ChaincodeAction::decode(payload.extension.as_slice()).ok()
    };
    let (Some(one), Some(other)) = (action(one), action(other)) else {
        return "the payloads are malformed".to_owned();
    };
    let mut differs = Vec::new();
    if one.response != other.response {
        differs.push("response".to_owned());
    }
    if one.events != other.events {
        differs.push("event".to_owned());
    }
    if one.results != other.results {
        let sets = |results: &[u8]| {
            let decoded = ReadWriteSet::decode(results).unwrap_or_default();
            let named = decoded
                .namespaces
                .into_iter()
                .map(|n| (n.namespace.clone(), format!("{n:?}")));
            named.collect::<BTreeMap<String, String>>()
        };
        let (one, other) = (sets(&one.results), sets(&other.results));
        let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
        for name in names
            .into_iter()
            .filter(|name| one.get(*name) != other.get(*name))
        {
            differs.push(format!("read-write set of {name}"));
        }
    }
    differs.join(", ")
}
