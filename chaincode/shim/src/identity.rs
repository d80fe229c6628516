//! Who called: the client identity library of Fabric's shims (`pkg/cid` of fabric-chaincode-go).

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fabric_protos::common::msp_role::MspRoleType;
use fabric_protos::common::{MspRole, OrganizationUnit};
use fabric_protos::msp::{SerializedIdemixIdentity, SerializedIdentity};
use prost::Message;
use x509_parser::prelude::{FromDer, Pem, X509Certificate};
use x509_parser::x509::X509Name;

use crate::line::decode;
use crate::{ChaincodeStub, Error};

/// Extension in which Fabric CA records attributes.
const ATTRIBUTES_OID: &str = "1.2.3.4.5.6.7.8.1";

/// Types that appear in an id, the last part first. Go's X.509 library, on which Fabric's ids rest, keeps these parts alone and in this
/// order, whatever the certificate's own (`Name.ToRDNSequence` in `crypto/x509/pkix`).
const NAME_PARTS: [NamePart; 9] = [
    NamePart {
        oid: "2.5.4.5",
        name: "SERIALNUMBER",
        single: true,
    },
    NamePart {
        oid: "2.5.4.3",
        name: "CN",
        single: true,
    },
    NamePart {
        oid: "2.5.4.11",
        name: "OU",
        single: false,
    },
    NamePart {
        oid: "2.5.4.10",
        name: "O",
        single: false,
    },
    NamePart {
        oid: "2.5.4.17",
        name: "POSTALCODE",
        single: false,
    },
    NamePart {
        oid: "2.5.4.9",
        name: "STREET",
        single: false,
    },
    NamePart {
        oid: "2.5.4.7",
        name: "L",
        single: false,
    },
    NamePart {
        oid: "2.5.4.8",
        name: "ST",
        single: false,
    },
    NamePart {
        oid: "2.5.4.6",
        name: "C",
        single: false,
    },
];

struct NamePart {
    oid: &'static str,
    name: &'static str,
    /// Of several values the last one counts; otherwise they are joined by `+`.
    single: bool,
}

/// Role that an MSP with NodeOUs reads from a certificate's organisational units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeRole {
    /// An application's user.
    Client,
    /// A peer.
    Peer,
    /// An administrator.
    Admin,
    /// An orderer.
    Orderer,
}

/// The identity that signed the proposal. The peer has checked certificate and signature before it called the chaincode; what is
/// read here is what the certificate, or the Idemix credential, says.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    msp_id: String,
    kind: Kind,
    organizational_units: Vec<String>,
    attributes: BTreeMap<String, String>,
}

/// What stands behind an identity.
#[derive(Clone, PartialEq, Eq)]
enum Kind {
    X509 {
        id: String,
        /// In DER.
        certificate: Vec<u8>,
    },
    Idemix(MspRoleType),
}

impl ClientIdentity {
    /// The caller of a transaction.
    ///
    /// # Errors
    /// [`Error::NoProposal`], and as [`from_creator`](Self::from_creator).
    pub fn new(stub: &ChaincodeStub) -> Result<Self, Error> {
        Self::from_creator(stub.get_creator()?)
    }

    /// Reads an encoded `msp.SerializedIdentity`: a certificate in PEM, or else an Idemix pseudonym with its organisational unit and
    /// role, which become the attributes `ou` and `role`.
    ///
    /// # Errors
    /// [`Error::Malformed`], or [`Error::NotX509`] for what is neither.
    pub fn from_creator(creator: &[u8]) -> Result<Self, Error> {
        let identity: SerializedIdentity = decode("SerializedIdentity", creator)?;
        let pem = Pem::iter_from_buffer(&identity.id_bytes).next();
        match pem {
            Some(pem) => x509(identity.mspid, pem.map_err(|error| not_x509(&error))?.contents),
            None => idemix(identity.mspid, &identity.id_bytes),
        }
    }

    /// Unique within the MSP, and the same after the certificate has been renewed: Base64 of `x509::SUBJECT::ISSUER`, both
    /// distinguished names as in RFC 2253.
    ///
    /// # Errors
    /// [`Error::NotX509`] for an Idemix identity, whose pseudonyms are meant not to be told apart.
    pub fn id(&self) -> Result<&str, Error> {
        match &self.kind {
            Kind::X509 { id, .. } => Ok(id),
            Kind::Idemix(_) => Err(not_x509(&"an Idemix pseudonym has no id")),
        }
    }

    /// MSP id of the caller's organisation.
    pub fn msp_id(&self) -> &str {
        &self.msp_id
    }

    /// The X.509 certificate, in DER; `None` for an Idemix identity.
    pub fn certificate(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::X509 { certificate, .. } => Some(certificate),
            Kind::Idemix(_) => None,
        }
    }

    /// Value of an attribute that Fabric CA put into the certificate; of an Idemix identity `ou` or `role`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// All that [`attribute`](Self::attribute) can give.
    pub fn attributes(&self) -> &BTreeMap<String, String> {
        &self.attributes
    }

    /// Insists on an attribute's value.
    ///
    /// # Errors
    /// [`Error::Attribute`].
    pub fn assert_attribute(&self, name: &str, expected: &str) -> Result<(), Error> {
        let found = self.attribute(name);
        if found == Some(expected) {
            return Ok(());
        }
        Err(Error::Attribute {
            name: name.to_owned(),
            found: found.map(str::to_owned),
            expected: expected.to_owned(),
        })
    }

    /// Organisational units of the certificate's subject, or the one of the Idemix credential.
    pub fn organizational_units(&self) -> &[String] {
        &self.organizational_units
    }

    /// Whether this is among the [`organizational_units`](Self::organizational_units).
    pub fn has_organizational_unit(&self, unit: &str) -> bool {
        self.organizational_units.iter().any(|found| found == unit)
    }

    /// Role by the usual names of an MSP's NodeOUs (`client`, `peer`, `admin`, `orderer`): the first that the
    /// certificate names, `None` without NodeOUs. Of an Idemix identity the credential's role, `None` for a plain member.
    pub fn node_role(&self) -> Option<NodeRole> {
        if let Kind::Idemix(role) = self.kind {
            return match role {
                MspRoleType::Client => Some(NodeRole::Client),
                MspRoleType::Peer => Some(NodeRole::Peer),
                MspRoleType::Admin => Some(NodeRole::Admin),
                MspRoleType::Orderer => Some(NodeRole::Orderer),
                MspRoleType::Member => None,
            };
        }
        self.organizational_units
            .iter()
            .find_map(|unit| match unit.as_str() {
                "client" => Some(NodeRole::Client),
                "peer" => Some(NodeRole::Peer),
                "admin" => Some(NodeRole::Admin),
                "orderer" => Some(NodeRole::Orderer),
                _ => None,
            })
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("msp_id", &self.msp_id)
            .finish_non_exhaustive()
    }
}

fn not_x509(reason: &dyn fmt::Display) -> Error {
    Error::NotX509 {
        reason: reason.to_string(),
    }
}

fn x509(msp_id: String, der: Vec<u8>) -> Result<ClientIdentity, Error> {
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|error| not_x509(&error))?;
    let id = format!(
        "x509::{}::{}",
        distinguished_name(certificate.subject())?,
        distinguished_name(certificate.issuer())?
    );
    let organizational_units = certificate
        .subject()
        .iter_organizational_unit()
        .map(|unit| unit.as_str().map(str::to_owned).map_err(|error| not_x509(&error)))
        .collect::<Result<_, _>>()?;
    let attributes = attributes(&certificate)?;
    Ok(ClientIdentity {
        msp_id,
        kind: Kind::X509 {
            id: STANDARD.encode(id),
            certificate: der,
        },
        organizational_units,
        attributes,
    })
}

fn idemix(msp_id: String, id_bytes: &[u8]) -> Result<ClientIdentity, Error> {
    let neither = || not_x509(&"there is no PEM block, and no Idemix pseudonym either");
    let credential = SerializedIdemixIdentity::decode(id_bytes).map_err(|_| neither())?;
    // Any bytes may happen to decode; a pseudonym is a point.
    if credential.nym_x.is_empty() || credential.nym_y.is_empty() {
        return Err(neither());
    }
    let unit: OrganizationUnit = decode("OrganizationUnit", &credential.ou)?;
    let role: MspRole = decode("MSPRole", &credential.role)?;
    let role = MspRoleType::try_from(role.role).map_err(|error| Error::malformed("MSPRole", &error))?;
    let unit = unit.organizational_unit_identifier;
    let attributes = [
        ("ou".to_owned(), unit.clone()),
        ("role".to_owned(), role.as_str_name().to_lowercase()),
    ];
    Ok(ClientIdentity {
        msp_id,
        kind: Kind::Idemix(role),
        organizational_units: vec![unit],
        attributes: attributes.into(),
    })
}

fn attributes(certificate: &X509Certificate<'_>) -> Result<BTreeMap<String, String>, Error> {
    #[derive(serde::Deserialize)]
    struct Attributes {
        #[serde(default)]
        attrs: BTreeMap<String, String>,
    }
    let extension = certificate
        .extensions()
        .iter()
        .find(|extension| extension.oid.to_id_string() == ATTRIBUTES_OID);
    let Some(extension) = extension else {
        return Ok(BTreeMap::new());
    };
    let found: Attributes = serde_json::from_slice(extension.value)
        .map_err(|error| Error::malformed("attributes in the caller's certificate", &error))?;
    Ok(found.attrs)
}

/// A distinguished name as RFC 2253 writes it, as far as [`NAME_PARTS`] goes.
fn distinguished_name(name: &X509Name<'_>) -> Result<String, Error> {
    let mut parts = Vec::new();
    for part in &NAME_PARTS {
        let mut values = Vec::new();
        for attribute in name
            .iter_attributes()
            .filter(|found| found.attr_type().to_id_string() == part.oid)
        {
            let value = attribute.as_str().map_err(|error| Error::NotX509 {
                reason: error.to_string(),
            })?;
            values.push(value);
        }
        if part.single {
            values.drain(..values.len().saturating_sub(1));
            values.retain(|value| !value.is_empty());
        }
        if !values.is_empty() {
            let values: Vec<_> = values
                .iter()
                .map(|value| format!("{}={}", part.name, escape(value)))
                .collect();
            parts.push(values.join("+"));
        }
    }
    Ok(parts.join(","))
}

/// A value with RFC 2253's special characters escaped.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for (at, c) in value.char_indices() {
        let first = at == 0 && matches!(c, ' ' | '#');
        let last = at + 1 == value.len() && c == ' ';
        if first || last || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
