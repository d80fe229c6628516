//! Words of the script.

use step_chaincode::Step;

use crate::bench::ORGS;

pub(crate) const ORG1: &str = ORGS[0];
pub(crate) const ORG2: &str = ORGS[1];
pub(crate) const ORG3: &str = ORGS[2];

pub(crate) fn put(key: &str, value: &str) -> Step {
    Step::Put(key.into(), value.into())
}

pub(crate) fn get(key: &str) -> Step {
    Step::Get(key.into())
}

pub(crate) fn delete(key: &str) -> Step {
    Step::Delete(key.into())
}

pub(crate) fn range(start: &str, end: &str) -> Step {
    Step::Range(start.into(), end.into())
}

pub(crate) fn event(name: &str) -> Step {
    Step::Event(name.into(), format!("payload of {name}"))
}

pub(crate) fn implicit(msp_id: &str) -> String {
    format!("_implicit_org_{msp_id}")
}

pub(crate) fn put_private(msp_id: &str, key: &str, value: &str) -> Step {
    Step::PutPrivate(implicit(msp_id), key.into(), value.into())
}

pub(crate) fn get_private(msp_id: &str, key: &str) -> Step {
    Step::GetPrivate(implicit(msp_id), key.into())
}

pub(crate) fn private_hash(msp_id: &str, key: &str) -> Step {
    Step::PrivateHash(implicit(msp_id), key.into())
}

pub(crate) fn policy(key: &str, organisations: &[&str]) -> Step {
    Step::SetPolicy(
        key.into(),
        organisations.iter().map(|&one| one.to_owned()).collect(),
    )
}
