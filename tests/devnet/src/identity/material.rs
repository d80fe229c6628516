//! A network's keys and certificates, written to files as Fabric's `cryptogen` lays them out, so that applications and
//! SDKs find them where they look on a real network:
//! `peerOrganizations/<domain>/{ca,tlsca,msp,peers/<peer>.<domain>,users/<user>@<domain>}`.

use super::{
    KeyAndCertificate, SigningIdentity, SigningIdentityError,
    issuing::{issue, leaf_params, make_authority, tls_certificate},
};
use crate::policy::Role;
use rcgen::{CustomExtension, DnType};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use x509_parser::pem::parse_x509_pem;

/// What went wrong with the material.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaterialError {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key or certificate could not be made or read.
    #[error("certificate of {subject}: {source}")]
    Certificate {
        /// Whose.
        subject: String,
        /// Why.
        source: rcgen::Error,
    },
    /// An authority's certificate cannot be read.
    #[error("certificate authority of {msp_id}: expected an X.509 certificate in PEM")]
    Authority {
        /// Whose.
        msp_id: String,
    },
    /// The folder holds no such organisation.
    #[error("no organisation {msp_id} in this network")]
    UnknownOrganisation {
        /// The organisation asked for.
        msp_id: String,
    },
    /// An identity could not be loaded.
    #[error(transparent)]
    Identity(#[from] SigningIdentityError),
}

/// The members of one organisation for which material is made.
#[derive(Clone, Debug)]
pub(crate) struct Members<'a> {
    pub(crate) msp_id: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) peers: usize,
    pub(crate) users: &'a [String],
}

/// The material of all organisations of a network.
#[derive(Clone, Debug)]
pub struct Material {
    root: PathBuf,
    organisations: BTreeMap<String, OrganisationMaterial>,
}

impl Material {
    /// Reads what is at `root` already (the folder that holds `peerOrganizations`), and makes what is missing.
    pub(crate) fn open_or_generate(root: &Path, members: &[Members<'_>]) -> Result<Self, MaterialError> {
        let mut organisations = BTreeMap::new();
        for organisation in members {
            let folder = root.join("peerOrganizations").join(organisation.domain);
            let made = OrganisationMaterial::open_or_generate(&folder, organisation)?;
            organisations.insert(organisation.msp_id.to_owned(), made);
        }
        Ok(Self {
            root: root.to_owned(),
            organisations,
        })
    }

    /// The folder that holds `peerOrganizations`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// One organisation's material.
    ///
    /// # Errors
    /// When the network has no such organisation.
    pub fn organisation(&self, msp_id: &str) -> Result<&OrganisationMaterial, MaterialError> {
        self.organisations
            .get(msp_id)
            .ok_or_else(|| MaterialError::UnknownOrganisation {
                msp_id: msp_id.to_owned(),
            })
    }
}

/// One organisation's certificate authorities (one for identities, one for TLS), and where its files are.
#[derive(Clone, Debug)]
pub struct OrganisationMaterial {
    msp_id: String,
    domain: String,
    folder: PathBuf,
    ca: KeyAndCertificate,
    tls_ca: KeyAndCertificate,
}

impl OrganisationMaterial {
    fn open_or_generate(folder: &Path, members: &Members<'_>) -> Result<Self, MaterialError> {
        let domain = members.domain;
        let material = Self {
            msp_id: members.msp_id.to_owned(),
            domain: domain.to_owned(),
            folder: folder.to_owned(),
            ca: authority(&folder.join("ca"), "ca", domain)?,
            tls_ca: authority(&folder.join("tlsca"), "tlsca", domain)?,
        };
        material.write_trust(&folder.join("msp"))?;
        for index in 0..members.peers {
            let name = format!("peer{index}.{domain}");
            let home = folder.join("peers").join(&name);
            material.write_member(&home, &name, Role::Peer, "server")?;
        }
        material.write_member(
            &material.user_folder("Admin"),
            &format!("Admin@{domain}"),
            Role::Admin,
            "client",
        )?;
        for user in members.users {
            material.write_member(
                &material.user_folder(user),
                &format!("{user}@{domain}"),
                Role::Client,
                "client",
            )?;
        }
        Ok(material)
    }

    /// The organisation's MSP id.
    pub fn msp_id(&self) -> &str {
        &self.msp_id
    }

    /// The folder with this organisation's files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a user's `msp` and `tls`.
    pub fn user_folder(&self, user: &str) -> PathBuf {
        self.folder.join("users").join(format!("{user}@{}", self.domain))
    }

    /// The folder of a peer's `msp` and `tls`.
    pub fn peer_folder(&self, index: usize) -> PathBuf {
        self.folder
            .join("peers")
            .join(format!("peer{index}.{}", self.domain))
    }

    /// The certificate of the authority that issues the organisation's identities, in PEM.
    pub fn ca_certificate_pem(&self) -> &str {
        &self.ca.certificate_pem
    }

    /// The certificate of the authority that issues the organisation's TLS certificates, in PEM.
    pub fn tls_ca_certificate_pem(&self) -> &str {
        &self.tls_ca.certificate_pem
    }

    /// Loads a user's identity (`Admin`, `User1`, ...).
    ///
    /// # Errors
    /// When the user was not made, or the files are damaged.
    pub fn user(&self, user: &str) -> Result<SigningIdentity, MaterialError> {
        Ok(SigningIdentity::from_msp_folder(
            &self.msp_id,
            &self.user_folder(user).join("msp"),
        )?)
    }

    pub(crate) fn peer(&self, index: usize) -> Result<SigningIdentity, MaterialError> {
        Ok(SigningIdentity::from_msp_folder(
            &self.msp_id,
            &self.peer_folder(index).join("msp"),
        )?)
    }

    pub(crate) fn peer_tls(&self, index: usize) -> Result<KeyAndCertificate, MaterialError> {
        let tls = self.peer_folder(index).join("tls");
        Ok(KeyAndCertificate {
            key_pem: read(&tls.join("server.key"))?,
            certificate_pem: read(&tls.join("server.crt"))?,
        })
    }

    /// Issues a TLS certificate for a server or client, valid for the given names and addresses, `localhost` and
    /// 127.0.0.1. For chaincode servers and whatever else of this organisation speaks TLS; no file is written.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn issue_tls(&self, common_name: &str, names: &[&str]) -> Result<KeyAndCertificate, MaterialError> {
        let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        all.extend(names.iter().map(|&name| name.to_owned()));
        tls_certificate(common_name, all, &self.tls_ca)
    }

    /// Issues an identity that no file holds: with a role, attributes as Fabric CA writes them, and the time at which it
    /// expires. It is valid from the time from which its authority is: Fabric refuses one that is older.
    ///
    /// # Errors
    /// When the name cannot stand in a certificate.
    pub fn issue_identity(
        &self,
        name: &str,
        role: Role,
        attributes: &BTreeMap<String, String>,
        expires: SystemTime,
    ) -> Result<SigningIdentity, MaterialError> {
        let mut params = leaf_params(name);
        params.not_before = self.valid_from()?.into();
        params.not_after = expires.into();
        if role != Role::Member {
            params
                .distinguished_name
                .push(DnType::OrganizationalUnitName, role.name());
        }
        if !attributes.is_empty() {
            // The object identifier under which Fabric CA stores attributes, as JSON.
            let content = serde_json::json!({ "attrs": attributes })
                .to_string()
                .into_bytes();
            let extension = CustomExtension::from_oid_content(&[1, 2, 3, 4, 5, 6, 7, 8, 1], content);
            params.custom_extensions.push(extension);
        }
        let made = issue(name, &params, &self.ca)?;
        Ok(SigningIdentity::from_pem(
            &self.msp_id,
            &made.certificate_pem,
            &made.key_pem,
        )?)
    }

    /// From when on the authority of identities is valid.
    fn valid_from(&self) -> Result<SystemTime, MaterialError> {
        let fail = || MaterialError::Authority {
            msp_id: self.msp_id.clone(),
        };
        let (_, pem) = parse_x509_pem(self.ca.certificate_pem.as_bytes()).map_err(|_| fail())?;
        let certificate = pem.parse_x509().map_err(|_| fail())?;
        let seconds = certificate.validity().not_before.timestamp();
        let seconds = u64::try_from(seconds).map_err(|_| fail())?;
        Ok(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// `cacerts`, `tlscacerts` and the NodeOUs' `config.yaml`.
    fn write_trust(&self, msp: &Path) -> Result<(), MaterialError> {
        let domain = &self.domain;
        let ca_file = format!("cacerts/ca.{domain}-cert.pem");
        write(&msp.join(&ca_file), &self.ca.certificate_pem)?;
        write(
            &msp.join(format!("tlscacerts/tlsca.{domain}-cert.pem")),
            &self.tls_ca.certificate_pem,
        )?;
        let mut config = "NodeOUs:\n  Enable: true\n".to_owned();
        for (key, role) in [
            ("Client", "client"),
            ("Peer", "peer"),
            ("Admin", "admin"),
            ("Orderer", "orderer"),
        ] {
            config += &format!(
                "  {key}OUIdentifier:\n    Certificate: {ca_file}\n    OrganizationalUnitIdentifier: {role}\n"
            );
        }
        write(&msp.join("config.yaml"), &config)
    }

    fn write_member(&self, home: &Path, name: &str, role: Role, tls_name: &str) -> Result<(), MaterialError> {
        let certificate = home.join("msp/signcerts").join(format!("{name}-cert.pem"));
        if certificate.exists() {
            return Ok(());
        }
        self.write_trust(&home.join("msp"))?;
        let mut params = leaf_params(name);
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, role.name());
        let identity = issue(name, &params, &self.ca)?;
        write_key(&home.join("msp/keystore/priv_sk"), &identity.key_pem)?;

        // cryptogen gives peers' TLS certificates names and users' none.
        let short = name.split('.').next().unwrap_or(name);
        let names = match role {
            Role::Peer => vec![
                name.to_owned(),
                short.to_owned(),
                "localhost".into(),
                "127.0.0.1".into(),
            ],
            _ => Vec::new(),
        };
        let tls = tls_certificate(name, names, &self.tls_ca)?;
        write(&home.join("tls/ca.crt"), &self.tls_ca.certificate_pem)?;
        write(
            &home.join("tls").join(format!("{tls_name}.crt")),
            &tls.certificate_pem,
        )?;
        write_key(&home.join("tls").join(format!("{tls_name}.key")), &tls.key_pem)?;
        // Last, because its presence says that the member is complete.
        write(&certificate, &identity.certificate_pem)
    }
}

/// Reads a certificate authority's files, or makes it.
fn authority(folder: &Path, kind: &str, domain: &str) -> Result<KeyAndCertificate, MaterialError> {
    let name = format!("{kind}.{domain}");
    let certificate_file = folder.join(format!("{name}-cert.pem"));
    let key_file = folder.join("priv_sk");
    if certificate_file.exists() {
        return Ok(KeyAndCertificate {
            key_pem: read(&key_file)?,
            certificate_pem: read(&certificate_file)?,
        });
    }
    let made = make_authority(&name, domain)?;
    write_key(&key_file, &made.key_pem)?;
    write(&certificate_file, &made.certificate_pem)?;
    Ok(made)
}

fn read(path: &Path) -> Result<String, MaterialError> {
    fs::read_to_string(path).map_err(|source| MaterialError::File {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, content: &str) -> Result<(), MaterialError> {
    let fail = |source| MaterialError::File {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fail)?;
    }
    fs::write(path, content).map_err(fail)
}

/// Writes a private key, for the owner's eyes only.
fn write_key(path: &Path, content: &str) -> Result<(), MaterialError> {
    write(path, content)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|source| {
            MaterialError::File {
                path: path.to_owned(),
                source,
            }
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(users: &[String]) -> Members<'_> {
        Members {
            msp_id: "Org1MSP",
            domain: "org1.example.com",
            peers: 1,
            users,
        }
    }

    #[test]
    fn lays_files_out_as_cryptogen_does() {
        let folder = tempfile::tempdir().unwrap();
        let users = ["User1".to_owned()];
        let material = Material::open_or_generate(folder.path(), &[members(&users)]).unwrap();
        let organisation = folder.path().join("peerOrganizations/org1.example.com");
        for file in [
            "ca/ca.org1.example.com-cert.pem",
            "ca/priv_sk",
            "tlsca/tlsca.org1.example.com-cert.pem",
            "msp/config.yaml",
            "msp/cacerts/ca.org1.example.com-cert.pem",
            "msp/tlscacerts/tlsca.org1.example.com-cert.pem",
            "peers/peer0.org1.example.com/msp/signcerts/peer0.org1.example.com-cert.pem",
            "peers/peer0.org1.example.com/msp/keystore/priv_sk",
            "peers/peer0.org1.example.com/tls/ca.crt",
            "peers/peer0.org1.example.com/tls/server.crt",
            "peers/peer0.org1.example.com/tls/server.key",
            "users/User1@org1.example.com/msp/signcerts/User1@org1.example.com-cert.pem",
            "users/User1@org1.example.com/msp/keystore/priv_sk",
            "users/Admin@org1.example.com/tls/client.crt",
        ] {
            assert!(organisation.join(file).is_file(), "{file}");
        }
        assert_eq!(
            material
                .organisation("Org1MSP")
                .unwrap()
                .user("User1")
                .unwrap()
                .msp_id(),
            "Org1MSP"
        );
        assert!(matches!(
            material.organisation("Org2MSP"),
            Err(MaterialError::UnknownOrganisation { msp_id }) if msp_id == "Org2MSP"
        ));
    }

    #[test]
    fn opens_what_is_there_already() {
        let folder = tempfile::tempdir().unwrap();
        let users = ["User1".to_owned()];
        let first = Material::open_or_generate(folder.path(), &[members(&users)]).unwrap();
        let again = Material::open_or_generate(folder.path(), &[members(&users)]).unwrap();
        let user = |material: &Material| material.organisation("Org1MSP").unwrap().user("User1").unwrap();
        assert_eq!(user(&first).serialized(), user(&again).serialized());
    }

    #[test]
    fn tls_certificates_are_as_cryptogen_makes_them() {
        let folder = tempfile::tempdir().unwrap();
        let users = ["User1".to_owned()];
        let material = Material::open_or_generate(folder.path(), &[members(&users)]).unwrap();
        let organisation = material.organisation("Org1MSP").unwrap();
        let names = |file: &Path| {
            let pem = fs::read(file).unwrap();
            let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).unwrap();
            let certificate = pem.parse_x509().unwrap();
            let usage = certificate.extended_key_usage().unwrap().unwrap().value;
            assert!(usage.server_auth && usage.client_auth);
            let names = certificate.subject_alternative_name().unwrap();
            names.map_or(0, |names| names.value.general_names.len())
        };
        // Users' have no names, peers' their own, its first part, localhost and 127.0.0.1.
        assert_eq!(
            names(&organisation.user_folder("User1").join("tls/client.crt")),
            0
        );
        assert_eq!(names(&organisation.peer_folder(0).join("tls/server.crt")), 4);
    }

    #[test]
    fn keys_do_not_print() {
        let folder = tempfile::tempdir().unwrap();
        let material = Material::open_or_generate(folder.path(), &[members(&[])]).unwrap();
        assert!(!format!("{material:?}").contains("PRIVATE"));
    }
}
